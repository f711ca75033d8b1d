"""Checks of the combinatorics problems: every one by listing the arrangements."""

from collections.abc import Sequence
from functools import cache
from itertools import chain, combinations, pairwise, permutations, product

from math_checks.answer_forms import Choice
from math_checks.registry import answers


@answers("math-053")
def increasing_digits() -> object:
    """Try every four-digit number."""
    rising = (n for n in range(1000, 10000) if all(p < q for p, q in pairwise(str(n))))
    return sum(1 for n in rising if n % 3 == 0)


@answers("math-054")
def friends_in_a_row() -> object:
    """List all seatings."""
    seatings = list(permutations("ABCDEF"))
    return sum(1 for s in seatings if abs(s.index("A") - s.index("B")) != 1 and s.index("C") < s.index("D"))


@answers("math-055")
def paths_around_points() -> object:
    """List the paths by the places of their upward steps."""

    def visited(ups: Sequence[int]) -> set[tuple[int, int]]:
        return {(steps - (up := sum(1 for u in ups if u < steps)), up) for steps in range(12)}

    return sum(1 for ups in combinations(range(11), 5) if not visited(ups) & {(3, 2), (4, 4)})


@answers("math-056")
def strings_without_triples() -> object:
    """List the strings."""
    strings = ("".join(bits) for bits in product("01", repeat=12))
    return sum(1 for s in strings if "000" not in s and "111" not in s)


@answers("math-057")
def shared_coins() -> object:
    """List the shares."""
    return sum(1 for shares in product(range(5), repeat=4) if sum(shares) == 10)


@answers("math-058")
def painted_hexagon() -> object:
    """List the paintings."""
    return sum(1 for p in product(range(4), repeat=6) if all(p[i] != p[i - 1] for i in range(6)))


@answers("math-059")
def subset_sums() -> object:
    """List the subsets."""
    subsets = chain.from_iterable(combinations(range(1, 13), size) for size in range(1, 13))
    return sum(1 for subset in subsets if sum(subset) % 4 == 0)


@answers("math-060")
def two_right_envelopes() -> object:
    """List the permutations."""
    return sum(1 for p in permutations(range(7)) if sum(p[i] == i for i in range(7)) == 2)


@answers("math-061")
def oblong_rectangles() -> object:
    """List the rectangles by their sides' lines."""
    heights = [q - p for p, q in combinations(range(5), 2)]
    widths = [q - p for p, q in combinations(range(7), 2)]
    return sum(1 for h in heights for w in widths if h != w)


@answers("math-062")
def tiled_board() -> object:
    """Cover the first free cell in every way."""
    cells = [(row, column) for column in range(10) for row in range(2)]

    @cache
    def tilings(free: frozenset[tuple[int, int]]) -> int:
        if not free:
            return 1
        row, column = next(cell for cell in cells if cell in free)
        shapes = ([(0, 0), (0, 1)], [(0, 0), (1, 0)], [(0, 0), (0, 1), (1, 0), (1, 1)])
        placed = [frozenset((row + down, column + right) for down, right in shape) for shape in shapes]
        return sum(tilings(free - tile) for tile in placed if tile <= free)

    return tilings(frozenset(cells))


@answers("math-063")
def diagonals() -> object:
    """List the pairs of vertices that are not neighbours."""
    return Choice(sum(1 for p, q in combinations(range(15), 2) if (q - p) not in (1, 14)))


@answers("math-064")
def covering_triples() -> object:
    """List triples of subsets as bit masks."""
    return sum(1 for p, q, r in product(range(32), repeat=3) if p | q | r == 31 and p & q & r == 0)


@answers("math-065")
def short_moves() -> object:
    """List the permutations."""
    return sum(1 for p in permutations(range(7)) if all(abs(p[i] - i) <= 2 for i in range(7)))


@answers("math-066")
def no_difference_of_three() -> object:
    """List the subsets as bit masks."""
    return sum(1 for mask in range(2**14) if mask & (mask >> 3) == 0)


@answers("math-067")
def even_numbers_without_repeats() -> object:
    """Try every four-digit number."""
    numbers = (str(n) for n in range(1000, 10000, 2))
    return sum(1 for text in numbers if len(set(text)) == 4 and set(text) <= set("012345"))


@answers("math-068")
def chosen_group() -> object:
    """List the groups: boys 0 to 7, girls 8 to 13; the boy 0 and the girl 8 are the two named ones."""
    groups = combinations(range(14), 5)
    return sum(1 for g in groups if sum(m >= 8 for m in g) >= 2 and not {0, 8} <= set(g))


@answers("math-069")
def climbed_steps() -> object:
    """List the ways as sequences of steps."""

    def ways(height: int) -> int:
        if height == 10:
            return 1
        return sum(ways(height + step) for step in (1, 2, 3) if height + step <= 10 and height + step != 5)

    return ways(0)


@answers("math-070")
def round_table() -> object:
    """List all seatings on numbered chairs; each round seating stands for eight of them."""
    total = 0
    for seats in permutations(range(8)):
        first, second, third = seats[0], seats[1], seats[2]
        total += (first - second) % 8 in (1, 7) and (first - third) % 8 not in (1, 7)
    return total // 8


@answers("math-071")
def letters_apart() -> object:
    """List the distinct arrangements."""
    words = set(permutations("AABBCCD"))
    return sum(1 for word in words if all(p != q for p, q in pairwise(word)))


@answers("math-072")
def rooks_off_the_diagonals() -> object:
    """List the placements by columns."""
    return sum(1 for p in permutations(range(5)) if all(p[i] not in (i, 4 - i) for i in range(5)))


@answers("math-073")
def numbers_apart() -> object:
    """List the choices."""
    return sum(1 for chosen in combinations(range(1, 16), 5) if all(q - p >= 3 for p, q in pairwise(chosen)))


@answers("math-074")
def odd_partitions() -> object:
    """List the non-increasing sums."""

    def partitions(rest: int, largest: int) -> int:
        if rest == 0:
            return 1
        return sum(partitions(rest - part, part) for part in range(1, min(rest, largest) + 1, 2))

    return partitions(12, 11)


@answers("math-075")
def acute_triangles() -> object:
    """List the triangles; an angle is acute when the arc across from it is less than half the circle."""
    triples = combinations(range(12), 3)
    return sum(1 for p, q, r in triples if max(q - p, r - q, 12 + p - r) < 6)


@answers("math-076")
def balls_in_equal_boxes() -> object:
    """List the partitions by the smallest balls of the boxes: name boxes in the order of first use."""
    placings = product(range(3), repeat=7)
    return sum(1 for p in placings if list(dict.fromkeys(p)) == [0, 1, 2])


@answers("math-077")
def painted_board() -> object:
    """List the paintings of the ten cells, row by row."""

    def proper(cells: tuple[int, ...]) -> bool:
        top, bottom = cells[:5], cells[5:]
        across = all(p != q for row in (top, bottom) for p, q in pairwise(row))
        return across and all(p != q for p, q in zip(top, bottom, strict=True))

    return sum(1 for cells in product(range(3), repeat=10) if proper(cells))
