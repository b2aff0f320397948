"""The state of one run of training, from the history that it is given."""

import pytest

from sk_posenc.networks.run import Run, drop_unended_epoch


def epoch(*losses, ended=True):
    row = {"batches": [{"train_loss": each} for each in losses] or [{}]}
    return row | ({"train_loss": 0.5, "dur": 1.0} if ended else {})


def test_epochs_are_those_of_the_run():
    run = Run(n_epochs=3, epochs_before=2)
    history = [epoch(1.0), epoch(1.0)]
    assert (run.epochs_done(history), run.epochs_left(history)) == (0, 3)
    history += [epoch(1.0)] * 2
    assert (run.epochs_done(history), run.epochs_left(history)) == (2, 1)
    history += [epoch(1.0)] * 4  # more than planned, as a checkpoint of a longer run has them
    assert run.epochs_left(history) == 0
    run = Run(n_epochs=3, epochs_before=2)
    run.is_finished = True  # early, as early stopping does
    assert run.epochs_left(history[:3]) == 0


def test_what_a_checkpoint_holds_is_not_trained_here():
    run = Run(n_epochs=3, epochs_before=0)
    history = [epoch(1.0, 0.9)]
    assert not run.has_trained(history)
    run.begin_loop(history)
    assert not run.has_trained(history)
    history.append(epoch(ended=False))
    assert not run.has_trained(history)
    history[-1]["batches"] += [{"train_batch_size": 4}, {"train_loss": 0.8}]
    assert run.has_trained(history)


@pytest.mark.parametrize("n_before", [0, 1, 3])
@pytest.mark.parametrize("ended", [True, False])
def test_an_epoch_that_did_not_end_is_dropped(n_before, ended):
    history = [epoch(1.0)] * n_before + [epoch(0.9, ended=ended)]
    drop_unended_epoch(history)
    assert len(history) == n_before + ended


def test_an_epoch_without_all_records_of_the_one_before_is_dropped():
    history = [epoch(1.0) | {"valid_loss": 0.7}, epoch(1.0)]
    drop_unended_epoch(history)
    assert history == [epoch(1.0) | {"valid_loss": 0.7}]


def test_an_interrupt_is_raised_again():
    run = Run(n_epochs=1, epochs_before=0)
    run.raise_interrupt()
    run.interrupt = KeyboardInterrupt("here")
    with pytest.raises(KeyboardInterrupt, match="here"):
        run.raise_interrupt()
