import dataclasses

import pytest
import torch
import torch.nn.functional as F
from blobs import blobs

from slap_core.slot_attention import Fourier, SlotAttention, SlotDecoder, Standardise
from slap_core.slot_branches import usual
from slap_core.slots import SlotConfig, SlowFastSlots, fractions
from slap_core.types import Tokens

CONFIG = SlotConfig(16, dim_slot=32, dim_hidden=24)


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return SlowFastSlots(CONFIG).eval()


@pytest.fixture(scope="module")
def tokens():
    return blobs(time=10, size=6, dim=16).tokens


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_a_step_is_the_published_update():
    attention = SlotAttention(8, slots=3).double()
    slots, tokens = torch.randn(2, 3, 8, dtype=torch.float64), torch.randn(2, 5, 8, dtype=torch.float64)
    keys, values = attention.key(tokens), attention.value(tokens)
    found, masks = attention.step(slots, keys, values)
    for b in range(2):
        query = attention.query(attention.norm_slots(slots[b]))
        logits = torch.stack([torch.stack([q @ k / 8**0.5 for k in keys[b]]) for q in query])
        weights = logits.exp() / logits.exp().sum(0)
        torch.testing.assert_close(masks[b], weights)
        for s in range(3):
            update = sum((weights[s, t] + 1e-8) * values[b, t] for t in range(5)) / (weights[s] + 1e-8).sum()
            # The GRU's state is the slot itself, not its layer norm.
            moved = attention.gru(update[None], slots[b, s][None])[0]
            torch.testing.assert_close(found[b, s], moved + attention.mlp(attention.norm_mlp(moved)))


def test_attention_repeats_its_step_from_the_learned_gaussians():
    attention = SlotAttention(8, slots=3, iterations=2)
    tokens, noise = torch.randn(1, 5, 8), torch.randn(1, 3, 8)
    normed = attention.norm_tokens(tokens)
    slots = attention.mean + attention.log_std.exp() * noise
    for _ in range(2):
        slots, masks = attention.step(slots, attention.key(normed), attention.value(normed))
    torch.testing.assert_close(attention(tokens, noise), (slots, masks))


def test_slots_see_each_other():
    """What one slot is changes what another attends to: not before training, and from then on."""
    attention = SlotAttention(8, slots=3)
    slots, tokens = torch.randn(1, 3, 8), torch.randn(1, 5, 8)
    others = slots.clone()
    others[0, 2] = -slots[0, 2]

    def first(slots):
        query = attention.query(attention.norm_slots(attention.aware(slots)))
        return query[0, 0]

    assert torch.equal(first(slots), first(others))
    torch.nn.init.normal_(attention.among.out_proj.weight)
    assert (first(slots) - first(others)).abs().max() > 1e-3
    _, before = attention.step(slots, attention.key(tokens), attention.value(tokens))
    _, after = attention.step(others, attention.key(tokens), attention.value(tokens))
    # Without awareness the first two slots' logits would be the same, and so would their ratio.
    assert ((before[:, 0] / before[:, 1]) - (after[:, 0] / after[:, 1])).abs().max() > 1e-3


def test_slots_and_tokens_are_sets():
    attention = SlotAttention(8, slots=4).double()
    tokens, noise = torch.randn(1, 6, 8, dtype=torch.float64), torch.randn(1, 4, 8, dtype=torch.float64)
    slot, token = torch.tensor([2, 0, 3, 1]), torch.tensor([5, 3, 0, 1, 4, 2])
    vectors, masks = attention(tokens, noise)
    with torch.no_grad():
        attention.mean.copy_(attention.mean[slot])
    permuted_vectors, permuted_masks = attention(tokens[:, token], noise[:, slot])
    torch.testing.assert_close(permuted_vectors, vectors[:, slot])
    torch.testing.assert_close(permuted_masks, masks[:, slot][:, :, token])


def test_the_decoder_mixes_each_slots_own_prediction():
    """The layers after the mixing commute with it: decoding slot by slot and mixing the tokens is the same."""
    decoder = SlotDecoder(2, 8, 12, 5, bands=2).double()
    vectors, place = torch.randn(2, 3, 8, dtype=torch.float64), torch.rand(7, 2, dtype=torch.float64)
    attention = torch.randn(2, 3, 7, dtype=torch.float64).softmax(1)
    seen = decoder.seen_from(attention, place)
    predictions, logits = [], []
    for s in range(3):
        relative = torch.cat([seen[:, s], seen[:, s].square()], -1)
        hidden = decoder.slot(decoder.norm(vectors[:, s]))[:, None] + decoder.place(place) + decoder.relative(relative)
        hidden = F.gelu(decoder.middle(F.gelu(hidden)))
        predictions.append(decoder.token(hidden) + decoder.content(decoder.norm(vectors[:, s]))[:, None])
        logits.append(decoder.logit(hidden)[..., 0] - decoder.sharpness.exp() * seen[:, s].square().sum(-1) / 2)
    masks = torch.stack(logits, 1).softmax(1)
    expected = (masks.unsqueeze(-1) * torch.stack(predictions, 1)).sum(1)
    torch.testing.assert_close(decoder(vectors, attention, place), (expected, masks))


def test_places_are_seen_from_the_centre_in_units_of_the_spread():
    place = torch.tensor([[0.1, 0.5], [0.3, 0.5], [0.5, 0.9]], dtype=torch.float64)
    attention = torch.tensor([[[1.0, 1.0, 0.0]]], dtype=torch.float64)
    seen = SlotDecoder.seen_from(attention, place)[0, 0]
    spread = (0.01 + 1e-3) ** 0.5
    torch.testing.assert_close(seen[:, 0], torch.tensor([-0.1, 0.1, 0.3], dtype=torch.float64) / spread)
    torch.testing.assert_close(seen[:2, 1], torch.zeros(2, dtype=torch.float64))
    assert seen[2, 1] == 6  # 0.4 from a slot that has no extent on this axis: clamped


def test_standardised_tokens_have_zero_mean_and_unit_variance_by_dimension():
    standardise = Standardise(3)
    tokens = torch.randn(500, 3) * torch.tensor([1.0, 20.0, 5.0]) + torch.tensor([3.0, -7.0, 0.0])
    standardise.measure(tokens)
    found = standardise(tokens)
    torch.testing.assert_close(found.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    # The first dimension varies less than a tenth of the average: it is not blown up to unit variance.
    floor = 0.1 * tokens.var(0, correction=0).mean().sqrt()
    expected = torch.tensor([tokens[:, 0].std(correction=0) / floor, 1.0, 1.0])
    torch.testing.assert_close(found.std(0, correction=0), expected, atol=1e-4, rtol=1e-4)


def test_a_constant_dimension_stays_finite():
    standardise = Standardise(2)
    standardise.measure(torch.ones(4, 2))
    assert torch.equal(standardise(torch.ones(4, 2)), torch.zeros(4, 2))


def test_embeddings_of_place_tell_places_apart_and_are_smooth():
    embed = Fourier(1, 32, bands=4).double()
    places = torch.linspace(0, 1, 65, dtype=torch.float64)[:, None]
    distance = torch.cdist(embed(places), embed(places))
    assert distance.fill_diagonal_(1).min() > 0.01
    assert (embed(places + 1e-4) - embed(places)).norm(dim=-1).max() < 0.02


@pytest.mark.parametrize(("time", "size"), [(1, (6, 6)), (2, (3, 5)), (8, (4, 4)), (31, (5, 7))])
def test_any_number_of_frames_and_any_grid(network, time, size):
    clip = Tokens(torch.randn(time, *size, 16), torch.arange(time, dtype=torch.float64))
    found = network(clip)
    frames = min(8, time)
    assert found.slow_attention.shape == found.slow_masks.shape == (frames, 8, *size)
    assert found.fast_attention.shape == found.fast_masks.shape == (16, time, 8)
    assert found.vectors.shape == (frames * 8 + 128, 32)
    for masks, axis in ((found.slow_attention, 1), (found.slow_masks, 1), (found.fast_masks, 2)):
        torch.testing.assert_close(masks.sum(axis), torch.ones_like(masks.sum(axis)))
    assert found.vectors.isfinite().all()


@pytest.mark.parametrize(("count", "frames"), [(1, [0]), (3, [0, 1, 2]), (15, [0, 2, 4, 6, 8, 10, 12, 14])])
def test_slow_slots_look_at_frames_spread_evenly(network, count, frames):
    assert network.frames(count).tolist() == frames


def test_a_clip_gives_the_same_slots_for_the_same_seed(network, tokens):
    state = torch.get_rng_state()
    first, again, other = network(tokens), network(tokens), network(tokens, seed=1)
    assert torch.equal(first.vectors, again.vectors)
    assert not torch.equal(first.vectors, other.vectors)
    assert torch.equal(torch.get_rng_state(), state)


def slow(network, values, **options):
    """Slow slots of all frames of one clip."""
    when = torch.linspace(0, 1, len(values))[None]
    return network.slow(values[None], when, background=usual(values)[None], generator=generator(), **options)


def test_parts_share_the_attention_and_only_the_last_update_is_their_own():
    attention = SlotAttention(8, slots=3, iterations=2).double()
    tokens, noise = torch.randn(2, 6, 8, dtype=torch.float64), torch.randn(2, 3, 8, dtype=torch.float64)
    vectors, masks = attention(tokens, noise, parts=2)
    together, same = attention(tokens, noise)
    assert vectors.shape == (4, 3, 8)
    torch.testing.assert_close(masks, same)
    normed = attention.norm_tokens(tokens)
    keys, values = attention.key(normed), attention.value(normed)
    first, _ = attention.step(attention.start(noise), keys, values)
    second = normed[1, 3:][None]
    alone, _ = attention.step(first[1:], attention.key(second), attention.value(second))
    torch.testing.assert_close(vectors[3], alone[0])
    assert (together[1] - alone[0]).abs().max() > 1e-3


def test_slots_start_apart_by_more_than_their_noise():
    attention = SlotAttention(8, slots=3)
    start = attention.start(torch.zeros(1, 3, 8))[0]
    assert float(torch.pdist(start.detach()).min()) > float(attention.log_std.detach().exp().max())


def test_a_slow_slot_is_the_same_object_in_all_frames(network, tokens):
    """What a frame shows decides about the attention in the others."""
    changed = tokens.values.clone()
    changed[4] = torch.randn(6, 6, 16, generator=generator(5))
    before, after = (slow(network, values).attention for values in (tokens.values, changed))
    assert ((before - after).abs().amax((1, 2)) > 1e-5).all()


def test_slow_slots_see_what_is_unusual_at_its_place(network, tokens):
    when = torch.linspace(0, 1, 10)[None]
    found = [
        network.slow(tokens.values[None], when, background=background[None], generator=generator()).attention
        for background in (usual(tokens.values), tokens.values[0])
    ]
    assert (found[0] - found[1]).abs().max() > 1e-4


def test_what_is_usual_is_the_median_over_time():
    values = torch.zeros(2, 5, 2, 3, 4)
    values[:, 1:3] = torch.tensor([9.0, -7.0])[:, None, None, None]
    assert torch.equal(usual(values), torch.zeros(2, 2, 3, 4))
    assert usual(values.half()).dtype == torch.float32


def test_clips_do_not_see_each_other(network, tokens):
    two = torch.stack([tokens.values, torch.randn(10, 6, 6, 16, generator=generator(3))])
    when = torch.linspace(0, 1, 10).expand(2, -1)
    both = network.slow(two, when, background=usual(two), generator=generator()).vectors
    torch.testing.assert_close(both[:10], slow(network, tokens.values).vectors, atol=1e-5, rtol=1e-4)
    other = network.slow(two, when, background=usual(two), generator=generator(), shared=False).vectors
    assert (other[10:] - both[10:]).abs().max() > 1e-4


def test_fast_slots_see_their_cell_only(network, tokens):
    changed = tokens.values.clone()
    changed[4, :, :3] = torch.randn(6, 3, 16, generator=generator(5))
    when = torch.linspace(0, 1, 10)
    before, after = (network.fast(values, when, generator=generator()).vectors for values in (tokens.values, changed))
    # Six columns in four cells: columns 0 to 2 are in cells 0 and 1 of each row.
    touched = ((before - after).abs().amax((1, 2)) > 1e-4).nonzero().flatten().tolist()
    assert touched == [0, 1, 4, 5, 8, 9, 12, 13]


def test_what_never_changes_is_no_event(network):
    still = torch.randn(1, 6, 6, 16).expand(5, -1, -1, -1)
    assert network.fast.deviations(still).abs().max() < 1e-6


def test_deviations_are_pooled_cells_less_what_is_usual_in_them(network):
    values = torch.randn(3, 8, 8, 16)
    found = network.fast.deviations(values)
    cell = values[:, 2:4, 6:8].mean((1, 2))
    torch.testing.assert_close(found[1, 3], cell - cell.median(0).values)


def test_attention_is_that_of_all_frames_at_once(network, tokens):
    """Of as many frames as the slow slots look at in a call, it is the call's."""
    some = Tokens(tokens.values[:4], tokens.times[:4])
    called = SlowFastSlots(dataclasses.replace(CONFIG, slow_frames=4))
    called.load_state_dict(network.state_dict())
    torch.testing.assert_close(network.attention(some), called.eval()(some).slow_attention)
    assert network.attention(tokens).shape == (10, CONFIG.slow_slots, 6, 6)
    with pytest.raises(ValueError, match="dimension 16"):
        network.attention(Tokens(torch.zeros(2, 3, 3, 4), torch.arange(2.0)))


def test_what_is_usual_deviates_by_nothing(network):
    values = torch.randn(1, 4, 4, 16).repeat(5, 1, 1, 1)
    values[2, 1, 3] += 1
    deviation = network.slow.deviation(values)
    assert deviation.nonzero().tolist() == [[2, 1, 3]]


def test_fast_slots_know_when(network):
    """The same deviations at other times give other slots."""
    cells = torch.randn(2, 6, 16)
    early, late = (
        network.fast.along_time(cells, torch.linspace(*ends, 6), generator=generator()).vectors
        for ends in ((0.0, 0.3), (0.5, 1.0))
    )
    assert (early - late).abs().max() > 1e-3


def test_fast_slots_are_in_the_order_of_their_mean_times(network, tokens):
    masks = network(tokens).fast_attention
    centre = (masks * torch.linspace(0, 1, 10)[:, None]).sum(1) / masks.sum(1)
    assert (centre.diff(dim=1) >= -1e-6).all()


def test_reordering_moves_vectors_and_masks_together(network, tokens):
    slots = slow(network, tokens.values[:2])
    order = torch.tensor([[7, 6, 5, 4, 3, 2, 1, 0], [1, 0, 3, 2, 5, 4, 7, 6]])
    found = slots.ordered(order)
    for b in range(2):
        for name in ("vectors", "attention", "masks"):
            assert torch.equal(getattr(found, name)[b], getattr(slots, name)[b][order[b]])
    assert torch.equal(found.reconstruction, slots.reconstruction)


def test_slots_for_a_language_model_carry_the_time_of_their_frame(network, tokens):
    found = network(tokens)
    when = fractions(tokens.times)[found.frames]
    plain = found.vectors[:64].view(8, 8, 32) - network.slow.when(when[:, None]).detach().unsqueeze(1)
    torch.testing.assert_close(plain, found.slow.vectors)
    torch.testing.assert_close(found.vectors[64:].view(16, 8, 32), found.fast.vectors)


def test_the_loss_is_the_share_of_variance_not_explained(network, tokens):
    slots = slow(network, tokens.values)
    nothing = torch.zeros_like(slots.target)
    target = slots.target / slots.target.square().mean().sqrt()
    blank = dataclasses.replace(slots, target=target, reconstruction=nothing, by_attention=nothing)
    torch.testing.assert_close(blank.unexplained, torch.tensor(1.0))
    torch.testing.assert_close(blank.loss, torch.tensor(2.0))
    assert dataclasses.replace(blank, reconstruction=target, by_attention=target).loss == 0


def test_every_weight_but_the_embedding_of_time_learns_from_reconstruction(network, tokens):
    model = SlowFastSlots(CONFIG)
    for branch in (model.slow, model.fast):  # zero before training: what feeds it learns from the second step on
        torch.nn.init.normal_(branch.attention.among.out_proj.weight)
    found = slow(model, tokens.values)
    fast = model.fast(tokens.values, fractions(tokens.times), generator=generator())
    (found.loss + fast.loss).backward()
    without = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()}
    # The logit's bias is the same for all slots, and the slow embedding of time is for the language model.
    expected = {f"{branch}.decoder.logit.bias" for branch in ("slow", "fast")}
    assert without - expected == {"slow.when.project.weight", "slow.when.project.bias"}


def test_masks_as_the_main_job_yields_them(network, tokens):
    tokens = dataclasses.replace(tokens, box=(0.1, 0.0, 0.9, 1.0))
    found, slotted = network(tokens), network.slotted(tokens)
    assert torch.equal(slotted.slow, found.slow_attention)
    assert torch.equal(slotted.fast, found.fast_attention)
    assert torch.equal(slotted.frames, network.frames(10))
    assert slotted.grid == (4, 4)
    assert slotted.box == (0.1, 0.0, 0.9, 1.0)
    assert slotted.origin == CONFIG.origin
    assert "Untrained" in slotted.origin


def test_saved_slots_come_back_with_their_statistics(network, tokens, tmp_path):
    model = SlowFastSlots(CONFIG)
    model.measure(tokens.values[None])
    model.save_pretrained(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"config.json", "model.safetensors", "README.md"}
    again = SlowFastSlots.from_pretrained(tmp_path)
    assert again.config == CONFIG
    assert torch.equal(again(tokens).vectors, model.eval()(tokens).vectors)
    assert torch.equal(again.fast.standardise.scale, model.fast.standardise.scale)


def test_tokens_of_another_encoder_are_refused(network):
    with pytest.raises(ValueError, match=r"dimension 16 .* ClusteredSlots"):
        network(Tokens(torch.randn(2, 3, 3, 8), torch.arange(2.0, dtype=torch.float64)))
    with pytest.raises(ValueError, match="at least one frame"):
        network(Tokens(torch.randn(0, 3, 3, 16), torch.zeros(0, dtype=torch.float64)))


def test_sizes_out_of_range_are_refused():
    with pytest.raises(ValueError, match="slow_slots of at least 1, got 0"):
        SlotConfig(16, slow_slots=0)


def test_the_default_networks_are_small():
    model = SlowFastSlots(SlotConfig(192))
    for branch in (model.slow, model.fast):
        assert sum(p.numel() for p in branch.parameters()) * 4 < 2e6


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_agrees_with_the_cpu(network, tokens):
    model = SlowFastSlots(CONFIG).eval()
    expected = model(tokens)
    found = model.cuda()(Tokens(tokens.values.cuda(), tokens.times))
    torch.testing.assert_close(found.slow_attention.cpu(), expected.slow_attention, atol=1e-3, rtol=0)


def test_queries_without_competition_choose_among_tokens_by_themselves():
    attention = SlotAttention(8, slots=2, competes=False).double()
    slots, tokens = torch.randn(1, 2, 8, dtype=torch.float64), torch.randn(1, 5, 8, dtype=torch.float64)
    keys, values = attention.key(tokens), attention.value(tokens)
    found, masks = attention.step(slots, keys, values)
    query = attention.query(attention.norm_slots(slots))[0]
    weights = (query @ keys[0].T / 8**0.5).softmax(-1)
    moved = attention.gru(weights @ values[0], slots[0])
    torch.testing.assert_close(found[0], moved + attention.mlp(attention.norm_mlp(moved)), atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(masks[0], weights / weights.sum(0), atol=1e-6, rtol=1e-6)
