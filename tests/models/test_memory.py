import pytest
from hypothesis import given
from hypothesis import strategies as some

from spikeloop.models import memory
from spikeloop.models.errors import BadInputError
from spikeloop.models.memory import MAX_MEMORY, memory_for, memory_left, parse_size, require_memory, size_in_words


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("8G", 8 * 2**30),
        ("8GiB", 8 * 2**30),
        ("1.5g", 3 * 2**29),
        ("500 M", 500 * 2**20),
        ("2T", 2**41),
        (2**30, 2**30),
    ],
)
def test_sizes_are_read_in_powers_of_1024(written, size):
    assert parse_size(written) == size


@pytest.mark.parametrize(
    "odd", ["", "8GB!", "G", "-1G", "nan", "1e9", "8E", "1K", 0, -5, 2.5e9, None, True, [8], "9" * 40]
)
def test_what_is_no_size_is_refused(odd):
    with pytest.raises(BadInputError, match=r"--max-memory \(max_memory\): expected"):
        parse_size(odd)


@given(some.integers(2**20, 2**44))
def test_a_size_in_words_is_the_size_but_for_rounding(size):
    assert parse_size(size_in_words(size).replace(" bytes", "")) == pytest.approx(size, rel=0.006)


@given(parts=some.lists(some.tuples(some.sampled_from("abcd"), some.integers(0, 2**22)), max_size=20))
def test_parts_add_up_and_one_of_several_names_counts_once_with_its_most(parts):
    most = {name: max(size for other, size in parts if other == name) for name, _ in parts}
    limit = 2**22
    with memory_for("some", limit) as use:
        if sum(most.values()) <= limit:
            for name, size in parts:
                require_memory(name, size)
            assert use.needed == sum(most.values())
            assert memory_left() == limit - use.needed
            return
        with pytest.raises(BadInputError, match=r"some: .* takes about .* expected at most 4 MiB.*--max-memory 1G"):
            for name, size in parts:
                require_memory(name, size)


def test_the_limit_is_that_of_the_call_or_of_the_environment_or_a_share_of_what_is_free(monkeypatch):
    monkeypatch.setattr(memory, "_free_memory", lambda: 10 * 2**30)
    monkeypatch.delenv(MAX_MEMORY, raising=False)
    with memory_for("some") as use:
        assert use.limit == 8 * 2**30
    monkeypatch.setenv(MAX_MEMORY, "3G")
    with memory_for("some") as use:
        assert use.limit == 3 * 2**30
        with memory_for("inner") as inner:
            assert inner is use
    with memory_for("some", "2G") as use:
        assert use.limit == 2 * 2**30
    monkeypatch.setenv(MAX_MEMORY, "much")
    with pytest.raises(BadInputError, match="SPIKELOOP_MAX_MEMORY: expected a size"), memory_for("some"):
        pass


def test_a_container_that_may_take_less_than_the_machine_has_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "CONTAINER", tmp_path)
    free = memory._free_memory()
    assert free > 0
    (tmp_path / "memory.max").write_text("3000000\n")
    (tmp_path / "memory.current").write_text("1000000\n")
    assert memory._free_memory() == 2_000_000
    (tmp_path / "memory.max").write_text("max\n")
    assert memory._free_memory() > 2_000_000


def test_what_is_large_is_stated_once_before_it_is_loaded():
    said = []
    with memory_for("some", "8G", said.append):
        require_memory("few", 2**20)
        assert not said
        require_memory("many", 2**29)
        require_memory("more", 2**29)
    assert said == ["some: reading it takes about 513 MiB of memory"]
