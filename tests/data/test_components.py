from hypothesis import given
from hypothesis import strategies as st

from hmtnet.data.components import components

links_of_numbers = st.lists(st.lists(st.integers(0, 15), min_size=1, max_size=3), max_size=20)


def test_what_is_joined_through_others_is_one():
    links = [["c", "d"], ["a"], ["e", "d"], ["b", "e"]]
    assert components(links) == {"a": "a", "b": "b", "c": "b", "d": "b", "e": "b"}
    assert components([]) == {}


@given(links_of_numbers, st.randoms(use_true_random=False))
def test_components_are_those_that_a_walk_reaches(links, rng):
    def reached(start):
        known = {start}
        while True:
            more = known.union(*(link for link in links if known & set(link)))
            if more == known:
                return known
            known = more

    found = components(links)
    assert found == {key: min(reached(key)) for link in links for key in link}
    mixed = [rng.sample(link, len(link)) for link in links]
    rng.shuffle(mixed)
    assert components(mixed) == found


def test_long_chains_are_no_deep_recursion():
    chain = [[i, i + 1] for i in range(20_000)]
    assert set(components(chain[::-1]).values()) == {0}
