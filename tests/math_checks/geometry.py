"""Checks of the geometry problems: coordinates, exact with sympy or numeric with mpmath."""

import mpmath
import sympy
from sympy import Line, Plane, Point, Point3D, Polygon, Rational, Segment, Triangle, sqrt
from sympy.abc import r, x, y

from math_checks.answer_forms import Choice
from math_checks.numeric import minimum
from math_checks.registry import answers


def shoelace(points: list[tuple[mpmath.mpf, mpmath.mpf]]) -> mpmath.mpf:
    """The area of a polygon with the given vertices in order."""
    turns = zip(points, points[1:] + points[:1], strict=True)
    return abs(sum(p[0] * q[1] - p[1] * q[0] for p, q in turns)) / 2


@answers("math-078")
def distance_of_centers() -> object:
    """Place the triangle and find both centers."""
    triangle = Triangle(Point(0, 0), Point(14, 0), Point(5, 12))
    assert sorted(side.length for side in triangle.sides) == [13, 14, 15]
    return triangle.incenter.distance(triangle.circumcenter)


@answers("math-079")
def crease() -> object:
    """The crease is the part of the perpendicular bisector of AC inside the sheet."""
    corners = [Point(0, 0), Point(8, 0), Point(8, 6), Point(0, 6)]
    bisector = Segment(corners[0], corners[2]).perpendicular_bisector()
    one, two = Polygon(*corners).intersection(bisector)
    return one.distance(two)


@answers("math-080")
def circle_tangent_to_the_axis() -> object:
    """Equal distances from the center to the two points and to the axis."""
    solutions = sympy.solve([x**2 + (y - 4) ** 2 - y**2, x**2 + (y - 9) ** 2 - y**2], [x, y])
    (radius,) = {height for _, height in solutions}
    return radius


@answers("math-081")
def octagon() -> object:
    """Area from the coordinates of the vertices."""
    radius = 1 / mpmath.sin(mpmath.pi / 8)
    angles = [mpmath.pi * k / 4 for k in range(8)]
    return shoelace([(radius * mpmath.cos(t), radius * mpmath.sin(t)) for t in angles])


@answers("math-082")
def area_between_cevians() -> object:
    """Place the triangle and intersect the segments."""
    corner_a, corner_b, corner_c = Point(0, 0), Point(12, 0), Point(0, 10)
    d = corner_b + (corner_c - corner_b) * Rational(2, 3)
    e = corner_c + (corner_a - corner_c) * Rational(3, 4)
    (p,) = Segment(corner_a, d).intersection(Segment(corner_b, e))
    return abs(Polygon(corner_c, d, p, e).area)


@answers("math-083")
def circle_in_the_gap() -> object:
    """Circles stand at 0 and 12 on the line; the third stands between them."""
    assert 12**2 + (9 - 4) ** 2 == (9 + 4) ** 2
    equations = [x**2 + (r - 4) ** 2 - (r + 4) ** 2, (12 - x) ** 2 + (r - 9) ** 2 - (r + 9) ** 2]
    (radius,) = (s[r] for s in sympy.solve(equations, [x, r], dict=True) if 0 < s[x] < 12)
    return radius


@answers("math-084")
def sphere_in_a_tetrahedron() -> object:
    """Take four corners of a cube and measure from their center to a face."""
    half = 3 / sqrt(2)
    corners = [Point3D(1, 1, 1), Point3D(1, -1, -1), Point3D(-1, 1, -1), Point3D(-1, -1, 1)]
    corners = [corner * half for corner in corners]
    assert corners[0].distance(corners[1]) == 6
    return Plane(*corners[1:]).distance(Point3D(0, 0, 0))


@answers("math-085")
def hexagonal_section() -> object:
    """Intersect the twelve edges with x + y + z = 0 and take the area around the center."""
    signs = (-1, 1)
    edges = [((s, t), axis) for s in signs for t in signs for axis in range(3)]
    points = []
    for (s, t), axis in edges:
        free = -(s + t)
        if -1 <= free <= 1:
            rest = [s, t]
            rest.insert(axis, free)
            points.append(rest)
    flat = [(mpmath.mpf(p - q) / mpmath.sqrt(2), (p + q - 2 * s) / mpmath.sqrt(6)) for p, q, s in points]
    return shoelace(sorted(flat, key=lambda point: mpmath.atan2(point[1], point[0])))


@answers("math-086")
def parallel_chords() -> object:
    """Find the heights at which the circle has the given widths."""
    heights = [max(sympy.solve(x**2 + half**2 - 17**2, x)) for half in (8, 15)]
    return sum(heights)


@answers("math-087")
def cyclic_diagonal() -> object:
    """Find the circle whose four arcs close up, then measure the diagonal."""
    sides = (3, 4, 5, 6)

    def excess(radius: mpmath.mpf) -> mpmath.mpf:
        return sum(mpmath.asin(side / (2 * radius)) for side in sides) - mpmath.pi

    radius = mpmath.findroot(excess, (mpmath.mpf("3.05"), mpmath.mpf(10)), solver="anderson")
    half_angle = mpmath.asin(3 / (2 * radius)) + mpmath.asin(4 / (2 * radius))
    return (2 * radius * mpmath.sin(half_angle)) ** 2


@answers("math-088")
def median() -> object:
    """Place the side of length 6 on the axis."""
    apex = max(sympy.solve([x**2 + y**2 - 25, (x - 6) ** 2 + y**2 - 49], [x, y]), key=lambda point: point[1])
    return Point(*apex).distance(Point(3, 0))


@answers("math-089")
def bisector() -> object:
    """Intersect the bisector with the far side."""
    far = Segment(Point(7, 0), Point(4, 4 * sqrt(3)))
    (foot,) = Line(Point(0, 0), Point(sqrt(3), 1)).intersection(far)
    return sympy.simplify(foot.distance(Point(0, 0)))


@answers("math-090")
def sphere_in_a_cone() -> object:
    """In the axial section, find the point of the axis as far from the slant side as from the base."""
    slant = Line(Point(0, 4), Point(3, 0))
    assert Point(0, 4).distance(Point(3, 0)) == 5
    (radius,) = (s for s in sympy.solve(slant.distance(Point(0, r)) ** 2 - r**2, r) if 0 < s < 4)
    return sympy.pi * Rational(4, 3) * radius**3


@answers("math-091")
def focal_chord() -> object:
    """Intersect the line through (1, 0) with the parabola."""
    one, two = sympy.solve([y**2 - 4 * x, y - sqrt(3) * (x - 1)], [x, y])
    return sympy.simplify(Point(*one).distance(Point(*two)))


@answers("math-092")
def triangle_on_the_foci() -> object:
    """Move along the ellipse until the angle is 60 degrees."""

    def excess(angle: mpmath.mpf) -> mpmath.mpf:
        point = mpmath.mpc(5 * mpmath.cos(angle), 3 * mpmath.sin(angle))
        return abs(mpmath.arg((-4 - point) / (4 - point))) - mpmath.pi / 3

    angle = mpmath.findroot(excess, (mpmath.mpf("0.1"), mpmath.pi / 2), solver="anderson")
    return 4 * 3 * mpmath.sin(angle)


@answers("math-093")
def sphere_around_a_pyramid() -> object:
    """Find the apex and then the point of the axis equally far from apex and base corner."""
    height = max(sympy.solve((2 * sqrt(2)) ** 2 + x**2 - (2 * sqrt(3)) ** 2, x))
    (level,) = sympy.solve((height - x) ** 2 - (x**2 + 8), x)
    return 4 * sympy.pi * (height - level) ** 2


@answers("math-094")
def tangent_to_a_semicircle() -> object:
    """Choose E on AD so that the line CE is at distance 2 from the midpoint of AB."""
    corner = Point(4, 4)
    gap = Line(corner, Point(0, x)).distance(Point(2, 0)) ** 2 - 4
    (height,) = (s for s in sympy.solve(gap, x) if 0 <= s <= 4)
    return corner.distance(Point(0, height))


@answers("math-095")
def integer_triangles() -> object:
    """List the sides in rising order."""
    pairs = ((p, q) for p in range(1, 11) for q in range(p, 30))
    return sum(1 for p, q in pairs if q <= 30 - p - q < p + q)


@answers("math-096")
def shortest_way_by_the_axis() -> object:
    """Minimize over the point of the axis."""
    return Choice(minimum(lambda t: mpmath.hypot(t, 3) + mpmath.hypot(6 - t, 5), -10, 20))


@answers("math-097")
def chords_of_integer_length() -> object:
    """Turn the chord: its distance from the center is 7 |sin t| for t in [0, pi); count t for each length."""
    total = 0
    for length in range(1, 21):
        square = Rational(400 - length**2, 4 * 49)
        if square in (0, 1):
            total += 1
        elif 0 < square < 1:
            total += 2
    return total


@answers("math-098")
def ant_on_a_box() -> object:
    """Over each edge that the ant may cross, minimize the length over the crossing point."""
    sides = (5, 4, 3)
    routes = []
    for start in range(3):
        for end in range(3):
            if start != end:
                along = sides[3 - start - end]
                first, second = sides[end], sides[start]

                def length(t: mpmath.mpf, first: int = first, second: int = second, along: int = along) -> mpmath.mpf:
                    return mpmath.hypot(first, t) + mpmath.hypot(second, along - t)

                routes.append(minimum(length, 0, along))
    return min(routes)


@answers("math-099")
def largest_angle() -> object:
    """The sides are as 3 : 5 : 7; build the triangle and measure its angles."""
    apex = max(sympy.solve([x**2 + y**2 - 9, (x - 7) ** 2 + y**2 - 25], [x, y]), key=lambda point: point[1])
    angles = Triangle(Point(0, 0), Point(7, 0), Point(*apex)).angles.values()
    return max(mpmath.degrees(mpmath.mpf(str(angle.evalf(40)))) for angle in angles)


@answers("math-100")
def mirrored_point() -> object:
    """Reflect with sympy."""
    return tuple(Point(4, -1).reflect(Line(Point(0, 1), Point(1, 3))).args)


@answers("math-101")
def distance_of_skew_lines() -> object:
    """Minimize the squared distance of two points moving on the lines."""
    on_first = Point3D(6 * x, 0, 6 - 6 * x)
    on_second = Point3D(6 * y, 6 * y, 0)
    square = sum((p - q) ** 2 for p, q in zip(on_first.args, on_second.args, strict=True))
    place = sympy.solve([square.diff(x), square.diff(y)], [x, y])
    return sqrt(square.subs(place))


@answers("math-102")
def tetrahedron_from_its_edges() -> object:
    """The Cayley-Menger determinant of the squared edges is 288 times the squared volume."""
    ab, ac, ad = 25, 34, 41
    rows = [[0, 1, 1, 1, 1], [1, 0, ab, ac, ad], [1, ab, 0, ad, ac], [1, ac, ad, 0, ab], [1, ad, ac, ab, 0]]
    return sqrt(sympy.Matrix(rows).det() / 288)
