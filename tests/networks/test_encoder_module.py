"""Encoders as torch modules: the formula of `transform`, what training may move, the way back."""

import copy
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.utils.fixes import parse_version

from sk_posenc import (
    Basis,
    CoordinateMLP,
    EncoderModule,
    FourierEncoder,
    LearnableFourierEncoder,
    LogFourierEncoder,
    RandomFourierEncoder,
    ShiftedBasisEncoder,
    similarity_radius,
    stable_rank,
)
from sk_posenc.encoders.base import CoordinateEncoder

DOMAIN = [(0.0, 1.0), (1e4, 1e4 + 50)]
PERIODIC = {"boundary": "periodic", "domain": DOMAIN}


class Cosine(Basis):
    """A raised cosine."""

    support = 1.0

    def phi(self, u, xp):
        return xp.where(xp.abs(u) < 1, 1 + xp.cos(np.pi * u), xp.zeros_like(u))


TRAINABLE = [
    ShiftedBasisEncoder(stable_rank=6),
    ShiftedBasisEncoder("triangle", stable_rank=4, tensor_product=True),
    ShiftedBasisEncoder("bspline", stable_rank=5, **PERIODIC),
    ShiftedBasisEncoder("sine"),
    ShiftedBasisEncoder("matern12", stable_rank=4, n_shifts=9),
    ShiftedBasisEncoder(Cosine(), stable_rank=5),
    FourierEncoder(),
    LogFourierEncoder(),
    RandomFourierEncoder(32, random_state=0),
    LearnableFourierEncoder(32, mlp=(16, 20), random_state=0),
    LearnableFourierEncoder(32, mlp=None, groups=[[1], [0]], random_state=0),
]
FIXED = [
    ShiftedBasisEncoder("bspline", stable_rank=5, sparse_output=True),
    ShiftedBasisEncoder("rectangle"),
    ShiftedBasisEncoder("impulse"),
    ShiftedBasisEncoder("square"),
    FourierEncoder(**PERIODIC),
]


def label(encoder):
    return repr(encoder).replace("\n", "")


@pytest.fixture(name="X")
def coordinates():
    unit = np.random.default_rng(0).uniform(size=(200, 2))
    low, high = np.transpose(DOMAIN)
    return low + unit * (high - low)


def dense(encoder, X):
    E = encoder.transform(X)
    return E.toarray() if hasattr(E, "toarray") else E


def moved(encoder, X, seed=0, size=0.1):
    module = EncoderModule(encoder.fit(X), trainable=True)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += size * torch.randn(parameter.shape, generator=generator)
    return module


@pytest.mark.parametrize("encoder", TRAINABLE + FIXED, ids=label)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_formula_is_that_of_transform(encoder, X, dtype):
    module = EncoderModule(encoder.fit(X))
    coordinates = X.astype(dtype)
    expected, got = dense(encoder, coordinates), module(torch.as_tensor(coordinates))
    assert got.numpy().dtype == expected.dtype
    scale = np.abs(expected).max()
    # sine, exp and products of the two libraries differ by a few ulps
    tolerance = 32 * np.finfo(dtype).eps
    if getattr(encoder, "sparse_output", False):
        # it counts spacings from the first shift; shifts themselves are rounded, at 1e4 to 1e-12
        tolerance = 1e-11 if dtype == np.float64 else 1e-5
    np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance * scale)
    assert not list(module.parameters())
    assert module.n_features == expected.shape[1]
    assert module.fitted_encoder() is encoder


@pytest.mark.parametrize("encoder", TRAINABLE, ids=label)
def test_a_trained_encoder_transforms_alone(encoder, X):
    module = moved(encoder, X)
    trained = module.fitted_encoder()
    E = module(torch.as_tensor(X)).detach().numpy()
    np.testing.assert_allclose(trained.transform(X), E, rtol=0, atol=1e-12 * np.abs(E).max())
    assert np.abs(E - encoder.transform(X)).max() > 1e-3
    loaded = pickle.loads(pickle.dumps(trained))
    np.testing.assert_array_equal(loaded.transform(X), trained.transform(X))
    assert len(trained.get_feature_names_out()) == E.shape[1]


@pytest.mark.parametrize("encoder", TRAINABLE, ids=label)
def test_attributes_of_a_trained_encoder_say_what_it_is(encoder, X):
    trained = moved(encoder, X).fitted_encoder()
    for axis, (low, high) in enumerate(trained.domain_):
        line = np.tile(trained.domain_.mean(axis=1), (2000, 1))
        line[:, axis] = low + (np.arange(2000) + 0.5) / 2000 * (high - low)
        width = trained.transform(line).shape[1]
        is_per_axis = hasattr(trained, "shifts_") or isinstance(trained.frequencies_, list)
        is_per_axis = is_per_axis or len(getattr(trained, "groups_", [])) == 2
        if is_per_axis and not getattr(trained, "tensor_product", False):
            names = trained.get_feature_names_out()
            columns = [j for j in range(width) if names[j].startswith(f"x{axis}_")]
        else:
            columns = slice(None)
        if getattr(trained, "tensor_product", False):
            continue  # the other axis scales all columns
        measured = stable_rank(trained.transform(line)[:, columns])
        assert trained.stable_rank_[axis] == pytest.approx(measured, rel=0.01)
    assert np.isfinite(similarity_radius(trained)).all()
    E = trained.transform(X[:20])
    # the closed forms of Fourier functions hold for any frequencies, others go through features
    np.testing.assert_allclose(trained.similarity(X[:20]), E @ E.T, rtol=0, atol=1e-12)


def test_bandwidths_stay_positive_and_steps_have_no_unit(X):
    encoder = ShiftedBasisEncoder(stable_rank=6).fit(X)
    module = EncoderModule(encoder, trainable=True)
    with torch.no_grad():
        module.bandwidth -= 3
        module.shifts0 += 1
    trained = module.fitted_encoder()
    np.testing.assert_allclose(trained.bandwidth_, encoder.bandwidth_ * np.exp(-3))
    np.testing.assert_allclose(trained.shifts_[0], encoder.shifts_[0] + encoder.bandwidth_[0])
    np.testing.assert_array_equal(trained.shifts_[1], encoder.shifts_[1])

    fourier = FourierEncoder(stable_rank=6).fit(X)
    module = EncoderModule(fourier, trainable=True)
    with torch.no_grad():
        module.angular1 += 1  # one cycle over a domain of 50
    change = module.fitted_encoder().frequencies_[1] - fourier.frequencies_[1]
    width = np.diff(fourier.domain_[1])
    np.testing.assert_allclose(change, np.full_like(change, 1 / width))


def test_a_circle_keeps_its_periods(X):
    module = EncoderModule(ShiftedBasisEncoder("sine", **PERIODIC).fit(X), trainable=True)
    assert [name for name, _ in module.named_parameters()] == ["shifts0", "shifts1"]
    trained = moved(ShiftedBasisEncoder(stable_rank=5, **PERIODIC), X).fitted_encoder()
    ends = trained.transform(np.transpose(DOMAIN))
    np.testing.assert_allclose(ends[0], ends[1], rtol=0, atol=1e-9)


@pytest.mark.parametrize("encoder", TRAINABLE, ids=label)
def test_gradients(encoder, X):
    module = EncoderModule(encoder.fit(X), trainable=True).double()
    rows = torch.as_tensor(X[:3] * 0.98 + 0.01 * np.sum(DOMAIN, axis=1))  # off the kinks at 0
    rows.requires_grad_()
    names, values = zip(*module.named_parameters(), strict=True)

    def encode(x, *parameters):
        return torch.func.functional_call(module, dict(zip(names, parameters, strict=True)), (x,))

    assert torch.autograd.gradcheck(encode, (rows, *values), eps=1e-7, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (FIXED[0], "sparse_output=False"),
        (FIXED[1], "no gradient"),
        (FIXED[2], "no gradient"),
        (FIXED[3], "no gradient"),
        (FIXED[4], "periodic axis"),
    ],
    ids=["sparse", "rectangle", "impulse", "square", "periodic"],
)
def test_what_cannot_be_trained(encoder, message, X):
    with pytest.raises(ValueError, match=message):
        EncoderModule(encoder.fit(X), trainable=True)


def test_an_encoder_that_says_nothing_of_training(X):
    class Quiet(FourierEncoder):
        _learnable = CoordinateEncoder._learnable

    with pytest.raises(ValueError, match=r"Quiet\(\) has no arrays that training can change"):
        EncoderModule(Quiet().fit(X), trainable=True)


def test_only_fitted_encoders_of_the_package(X):
    with pytest.raises(TypeError, match="encoder must be a fitted encoder"):
        EncoderModule("gaussian")
    with pytest.raises(ValueError, match="not fitted"):
        EncoderModule(FourierEncoder())


def test_float32_keeps_the_digits_of_far_coordinates(X):
    encoder = ShiftedBasisEncoder(stable_rank=20).fit(X)
    module = moved(encoder, X, size=0.01)
    single = (0.99 * X + 0.01 * np.mean(DOMAIN, axis=1)).astype(np.float32)
    exact = module.fitted_encoder().transform(single.astype(np.float64))
    got = module(torch.as_tensor(single)).detach().numpy()
    np.testing.assert_allclose(got, exact, rtol=0, atol=2e-6 * exact.max())


def test_buffers_travel_with_the_state(X):
    module = EncoderModule(RandomFourierEncoder(16, random_state=0).fit(X))
    other = EncoderModule(RandomFourierEncoder(16, random_state=1).fit(X))
    other.load_state_dict(module.state_dict())
    rows = torch.as_tensor(X)
    torch.testing.assert_close(other(rows), module(rows), rtol=0, atol=0)
    frequencies = [each.fitted_encoder().frequencies_ for each in (other, module)]
    np.testing.assert_allclose(*frequencies, rtol=1e-15)
    again = copy.deepcopy(module)
    torch.testing.assert_close(again(rows), module(rows), rtol=0, atol=0)


def test_autocast_leaves_the_encoding_alone(X):
    encoder = LearnableFourierEncoder(16, mlp=(8, 8), random_state=0).fit(X)
    module, rows = EncoderModule(encoder, dtype=torch.float32), torch.as_tensor(X)
    plain = module(rows)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(module(rows), plain, rtol=0, atol=0)
    assert plain.dtype == torch.float32


# --- what it gets


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (torch.zeros(3, 1), ValueError, r"coordinates of shape \(\.\.\., 2\).*Got shape \(3, 1\)"),
        (torch.zeros(3, 5), ValueError, r"coordinates of shape \(\.\.\., 2\).*Got shape \(3, 5\)"),
        (torch.zeros(4, 2, 3), ValueError, r"shape \(\.\.\., 2\).*Got shape \(4, 2, 3\)"),
        (torch.tensor(0.0), ValueError, r"coordinates of shape \(\.\.\., 2\).*Got shape \(\)"),
        (torch.zeros(3, 2, dtype=torch.int64), TypeError, r"x\.float\(\)\. Got torch\.int64"),
        (torch.zeros(3, 2, dtype=torch.complex64), TypeError, r"Got torch\.complex64"),
        (np.zeros((3, 2)), TypeError, r"torch\.as_tensor\(x\)\. Got ndarray"),
        ([[0.0, 1.0]], TypeError, r"torch\.as_tensor\(x\)\. Got list"),
    ],
    ids=["1 axis", "5 axes", "3-d", "0-d", "integers", "complex", "array", "list"],
)
@pytest.mark.parametrize("encoder", TRAINABLE + FIXED, ids=label)
def test_other_coordinates_are_refused(encoder, X, x, error, message):
    module = EncoderModule(encoder.fit(X))
    network = CoordinateMLP(module.n_features, hidden_layer_sizes=(4,), encoder=module)
    for taking in (module, network):
        with pytest.raises(error, match=message):
            taking(x)


def test_no_rows_make_no_features(X):
    module = EncoderModule(FourierEncoder(3).fit(X))
    assert module(torch.zeros(0, 2)).shape == (0, module.n_features)


@pytest.mark.parametrize("shape", [(2,), (1, 2), (0, 2), (4, 0, 2), (4, 3, 2), (2, 1, 5, 2)])
@pytest.mark.parametrize("encoder", [TRAINABLE[1], TRAINABLE[9], FIXED[0]], ids=label)
def test_leading_dimensions_are_those_of_a_linear_layer(encoder, X, shape):
    module = EncoderModule(encoder.fit(X))
    network = CoordinateMLP(module.n_features, 3, hidden_layer_sizes=(4,), encoder=module).double()
    x = torch.as_tensor(X[: int(np.prod(shape[:-1]))]).reshape(shape)
    for taking, width in ((module, module.n_features), (network, 3)):
        together = taking(x)
        assert together.shape == (*shape[:-1], width)
        rows = together.reshape(-1, width)
        torch.testing.assert_close(rows, taking(x.reshape(-1, 2)), rtol=0, atol=0)


@pytest.mark.parametrize("convert", [lambda net: net.float(), lambda net: net.to(torch.bfloat16)])
@pytest.mark.parametrize("level", [0.0, 1e6])
@pytest.mark.parametrize("encoder", [TRAINABLE[0], TRAINABLE[6], TRAINABLE[8]], ids=label)
def test_buffers_keep_their_digits_in_a_network_that_is_converted(encoder, convert, level):
    X = level + np.random.default_rng(0).uniform(size=(200, 2))
    module = EncoderModule(clone(encoder).fit(X), dtype=torch.float32)
    network = CoordinateMLP(module.n_features, hidden_layer_sizes=(8,), encoder=module)
    x, double = torch.as_tensor(X), [torch.float64]
    expected, output = module(x), network(x)
    shift = torch.tensor([1 / 3], dtype=torch.float64)
    network.set_scaling(network.input_shift, network.input_scale, shift, shift)
    convert(network)
    torch.testing.assert_close(module(x), expected, rtol=0, atol=0)
    assert torch.equal(network.target_shift, shift)
    assert {b.dtype for name, b in module.named_buffers() if "fitted" in name} == {*double}
    torch.testing.assert_close(network(x).float(), output, rtol=0, atol=0.03)
    # coordinates in half precision have few digits, and lose no more
    half = (x - level).to(torch.bfloat16)
    if not level:
        torch.testing.assert_close(module(half), module(half.float()), rtol=0, atol=0)


@pytest.mark.skipif(parse_version(torch.__version__) < parse_version("2.6"), reason="torch < 2.6")
@pytest.mark.parametrize("encoder", [TRAINABLE[0], TRAINABLE[9], FIXED[0], FIXED[4]], ids=label)
def test_export_holds_for_any_number_of_rows(encoder, X):
    module = EncoderModule(encoder.fit(X), dtype=torch.float32)
    network = CoordinateMLP(module.n_features, 2, hidden_layer_sizes=(4,), encoder=module)
    rows = {0: torch.export.Dim("rows")}
    x = torch.as_tensor(X)
    exported = torch.export.export(network, (x[:17],), dynamic_shapes=(rows,)).module()
    for n in (1, 2, 200):
        torch.testing.assert_close(exported(x[:n]), network(x[:n]), rtol=0, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")  # torch's own
@pytest.mark.parametrize("encoder", [TRAINABLE[0], TRAINABLE[6]], ids=label)
def test_derivatives_of_functions(encoder, X):
    module = EncoderModule(encoder.fit(X))
    x = torch.as_tensor(X[0])
    jacobian = torch.func.jacrev(module)(x)
    step = 1e-6 * (torch.as_tensor(X).amax(0) - torch.as_tensor(X).amin(0))
    for axis in range(2):
        moved = torch.zeros(2, dtype=torch.float64)
        moved[axis] = step[axis]
        slope = (module(x + moved) - module(x - moved)) / (2 * step[axis])
        torch.testing.assert_close(jacobian[:, axis], slope, rtol=1e-4, atol=1e-5)
    hessian = torch.func.hessian(lambda row: module(row).square().sum())(x)
    torch.testing.assert_close(hessian, hessian.T)


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, "float32", np.float32])
def test_the_type_of_the_output_is_one_of_floats(X, dtype):
    with pytest.raises(TypeError, match=r"dtype must be a torch\.dtype of floats"):
        EncoderModule(FourierEncoder(3).fit(X), dtype=dtype)


@pytest.mark.parametrize("encoder", TRAINABLE, ids=label)
def test_checks_leave_transforms_of_functions_alone(encoder, X):
    module = EncoderModule(encoder.fit(X))
    rows = torch.as_tensor(X[:5])
    together = torch.func.vmap(module)(rows.reshape(5, 1, 2))
    torch.testing.assert_close(together[:, 0], module(rows))


@pytest.mark.parametrize("value", [torch.ones(2), 1, None, "auto"])
def test_what_is_no_flag_and_no_generator_is_refused(value):
    encoder = FourierEncoder(2).fit([[0.0], [1.0]])
    with pytest.raises(TypeError, match="trainable must be True or False"):
        EncoderModule(encoder, trainable=value)
    if value is not None:
        with pytest.raises(TypeError, match=r"generator must be a torch\.Generator or None"):
            CoordinateMLP(1, generator=value)
