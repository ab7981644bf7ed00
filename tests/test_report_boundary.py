"""The pictures of the boundary: who uses what at which version, where the side doors are, and that all of it can be seen."""

from __future__ import annotations

import re
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.audit_report import PairView, Use
from bot.facts.summary import Consumed, Member, RepoSummary
from bot.model import Place
from bot.report.boundary import DOORS, Card, Edge, Node, Trouble, cards
from bot.report.boundary_layout import WIDTH, Drawing, draw, lines_of, versions_text, width_of
from bot.report.terminal import cells

HERE = Place("package.json")


def consumed(package: str, *versions: str, spec: str = "", members: int = 1) -> Consumed:
    return Consumed(package=package, versions=versions, specs=(spec,) if spec else (), members=members, place=HERE)


def core(label: str, *packages: str, troubles: dict[str, Trouble] | None = None) -> Node:
    members = tuple(Member(name=name, version="2.0.0", path="package.json", side="open") for name in packages)
    return Node(label, "open", RepoSummary(label=label, side="open", members=members), troubles or {})


def product(label: str, *consumes: Consumed, troubles: dict[str, Trouble] | None = None) -> Node:
    return Node(label, "private", RepoSummary(label=label, side="private", consumes=consumes), troubles or {})


def pair(stem: str, *uses: Use, private: tuple[str, ...] = (), opened: tuple[str, ...] | None = None) -> PairView:
    return PairView(
        stem=stem,
        packages=(f"@acme/{stem}",),
        version="2.0.0",
        open=(f"acme/{stem}",) if opened is None else opened,
        private=private,
        uses=uses,
    )


def only(made: tuple[Card, ...]) -> Card:
    assert len(made) == 1, [card.title for card in made]
    return made[0]


# -- what a picture shows ------------------------------------------------------------------------


def test_a_pair_with_its_half_and_another_user() -> None:
    uses = (Use(repository="acme/platform-core", package="@acme/core", versions=("1.4.0",)),
            Use(repository="acme/web", package="@acme/core", versions=("1.3.0",)))  # fmt: skip
    nodes = [
        core("acme/core", "@acme/core"),
        product("acme/platform-core", consumed("@acme/core", "1.4.0")),
        product("acme/web", consumed("@acme/core", "1.3.0"), troubles={"@acme/core": Trouble(doors=2)}),
    ]
    card = only(cards([pair("core", *uses, private=("acme/platform-core",))], nodes))
    assert (card.title, card.open, card.version, card.is_unused) == ("core", ("acme/core",), "2.0.0", False)
    assert [(edge.label, edge.half, versions_text(edge), edge.trouble.doors) for edge in card.edges] == [
        ("acme/web", False, "1.3.0", 2),
        ("acme/platform-core", True, "1.4.0", 0),
    ]
    assert card.trouble == Trouble(doors=2)


def test_a_half_that_uses_nothing_is_seen_and_a_product_without_a_core_is_no_pair() -> None:
    nodes = [core("acme/core", "@acme/core"), product("acme/platform-core"), product("acme/platform-shop")]
    pairs = [pair("core", private=("acme/platform-core",)), pair("shop", private=("acme/platform-shop",), opened=())]
    card = only(cards(pairs, nodes))
    assert card.is_unused
    assert [versions_text(edge) for edge in card.edges] == ["not used"]


def test_packages_that_no_pair_carries_stand_with_their_repository() -> None:
    nodes = [
        core("acme/tools", "@acme/a", "@acme/b"),
        product(
            "shop", consumed("@acme/a", "1.0.0"), consumed("@acme/b", spec="^1.0.0"), consumed("@other/x", "3.0.0")
        ),
    ]
    made = {card.title: card for card in cards([], nodes)}
    assert set(made) == {"acme/tools", "@other/x"}
    assert made["acme/tools"].open == ("acme/tools",)
    assert made["acme/tools"].edges[0].uses == (("@acme/a", ("1.0.0",)), ("@acme/b", ("^1.0.0",)))
    assert (made["@other/x"].open, made["@other/x"].missing) == ((), "elsewhere")


def test_what_may_be_text_is_no_use_and_what_a_finding_names_is_a_line() -> None:
    nodes = [
        core("acme/core", "@acme/core"),
        product("docs", consumed("@acme/core", members=0)),
        product("web", consumed("@acme/core", members=0), troubles={"@acme/core": Trouble(others=1)}),
    ]
    card = only(cards([], nodes))
    assert [(edge.label, edge.uses, edge.trouble.others) for edge in card.edges] == [("web", (("@acme/core", ()),), 1)]


def test_findings_of_packages_that_are_not_open_make_no_picture() -> None:
    nodes = [core("acme/core", "@acme/core"), product("web", troubles={"lodash": Trouble(others=3)})]
    assert cards([], nodes) == ()


def test_side_doors_that_name_no_package() -> None:
    nodes = [
        core("acme/core", "@acme/core"),
        product("half", consumed("@acme/core", "1.0.0"), troubles={"": Trouble(doors=1)}),
        product("web", troubles={"": Trouble(doors=4)}),
    ]
    uses = (Use(repository="half", package="@acme/core", versions=("1.0.0",)),)
    made = {card.title: card for card in cards([pair("core", *uses, private=("half",))], nodes)}
    # A half's path out of its repository leads to its core, for all we know.
    assert made["core"].trouble.doors == 1
    assert [(edge.label, edge.trouble.doors) for edge in made["no package named"].edges] == [("web", 4)]


def test_doors_within_a_repository_that_holds_the_package() -> None:
    """A workspace that holds a product and its core."""
    trouble = {"@acme/core": Trouble(doors=2, others=1), "@acme/x": Trouble(doors=1), "@acme/y": Trouble(others=1)}
    nodes = [core("acme/all", "@acme/core", "@acme/x", "@acme/y", troubles=trouble)]
    made = {card.title: card for card in cards([pair("core", opened=("acme/all",))], nodes)}
    assert set(made) == {"core", "@acme/x"}
    for card, doors in ((made["core"], 2), (made["@acme/x"], 1)):
        assert [(e.label, e.within, e.uses, e.trouble.doors) for e in card.edges] == [("acme/all", True, (), doors)]
        assert draw(card).boxes[1].meta == "within itself"


def test_a_hidden_half_is_not_said_to_use_nothing() -> None:
    nodes = [core("acme/core", "@acme/core"), Node("private repository 1", "private", None)]
    card = only(cards([pair("core", private=("private repository 1",))], nodes))
    assert not card.is_unused
    assert [versions_text(edge) for edge in card.edges] == ["not shown"]
    assert draw(card).boxes[1].label == ""  # nothing to lead to


def test_the_worst_come_first() -> None:
    nodes = [core(f"acme/{stem}", f"@acme/{stem}") for stem in ("a", "b", "c", "d")]
    nodes.append(product("web", *(consumed(f"@acme/{stem}", "1.0.0") for stem in "abd"),
                         troubles={"@acme/b": Trouble(doors=1), "@acme/d": Trouble(others=1)}))  # fmt: skip
    nodes.append(product("platform-c"))
    pairs = [pair(stem, Use(repository="web", package=f"@acme/{stem}", versions=("1.0.0",))) for stem in "abd"]
    pairs.append(pair("c", private=("platform-c",)))
    assert [card.title for card in cards(pairs, nodes)] == ["b", "c", "d", "a"]


def test_the_rules_that_find_doors_are_rules() -> None:
    from bot.rules import LISTED

    assert {rule.id for rule in LISTED} >= DOORS


# -- where everything stands ---------------------------------------------------------------------


def edges(count: int, doors: int = 0) -> tuple[Edge, ...]:
    return tuple(
        Edge(
            f"acme/product-{number}",
            ("private", "open")[number % 7 == 0],
            half=number == doors,
            uses=(("@acme/core", (f"1.{number % 9}.0",)),),
            trouble=Trouble(doors=number < doors),
        )
        for number in range(count)
    )


def check(drawing: Drawing) -> None:
    """Nothing overlaps, nothing is outside, every line ends at a box."""
    left, *users = drawing.boxes
    for box in drawing.boxes:
        assert box.x >= 0
        assert box.x + box.width <= WIDTH
        assert box.y >= 0
        assert box.y + box.height <= drawing.height
        assert box.y < box.names[0][0] < box.names[-1][0] < box.meta_y < box.y + box.height or len(box.names) == 1
        for _, text in box.names:
            assert width_of(text, 13) <= box.width - 9
    assert left.x + left.width < min(box.x for box in users)
    for above, below in pairwise(users):
        assert above.y + above.height < below.y
    assert sorted(line.y for line in drawing.lines) == [box.y + box.height // 2 for box in users]
    for line in drawing.lines:
        start, end = (float(n) for n in re.fullmatch(r"M(\d+) .*H(\d+)", line.path).groups())  # type: ignore[union-attr]
        assert (start, end) == (left.x + left.width, users[0].x)
        at = re.search(r" (\d+)", line.path)
        assert at is not None
        assert left.y <= int(at[1]) <= left.y + left.height
        # Its words have room between the boxes.
        assert 7.3 * cells(line.version) <= users[0].x - left.x - left.width - 12
        assert line.badge_width <= users[0].x - left.x - left.width


def test_users_have_boxes_and_lines() -> None:
    drawing = draw(
        Card(title="core", packages=("@acme/core",), version="2.0.0", open=("acme/core",), edges=edges(3, 1))
    )
    check(drawing)
    assert [box.kind for box in drawing.boxes] == ["open", "open", "private", "private"]
    door = drawing.lines[-1]  # drawn over the others
    assert (door.kind, door.version, door.badge) == ("door", "1.0.0", "1 side door")
    assert "acme/product-0" in drawing.description
    assert "(1 side door)" in drawing.description


def test_the_owner_that_all_share_is_not_said() -> None:
    drawing = draw(Card(title="core", open=("acme/core",), edges=edges(1)), "acme/")
    assert [box.names[0][1] for box in drawing.boxes] == ["core", "product-0"]
    assert drawing.boxes[1].label == "acme/product-0"


def test_a_hundred_users_are_told_together_and_none_is_lost() -> None:
    drawing = draw(Card(title="core", open=("acme/core",), edges=edges(100, doors=3)))
    check(drawing)
    assert len(drawing.boxes) <= 12
    many = [re.match(r"(\d+) more", box.names[0][1]) for box in drawing.boxes[1:]]
    assert sum(int(found[1]) if found else 1 for found in many) == 100
    assert [line.kind for line in drawing.lines].count("door") == 3


def test_nobody_is_said() -> None:
    drawing = draw(Card(title="core", open=("acme/core",)))
    check(drawing)
    assert drawing.boxes[1].names[0][1] == "nobody"


NAMES = st.one_of(
    st.text(min_size=1, max_size=30),
    st.lists(
        st.sampled_from(("acme", "platform", "W" * 30, "x", "-", "/", ".", "語", "\u202e")), min_size=1, max_size=8
    ).map("".join),
)
MODERATE = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@MODERATE
@given(NAMES, st.lists(st.tuples(NAMES, NAMES, st.integers(0, 2000), st.integers(0, 3), st.booleans()), max_size=9))
def test_whatever_names_are_the_picture_holds_them(title: str, users: list[tuple[str, str, int, int, bool]]) -> None:
    made = tuple(
        Edge(label, "private", half=half, uses=((title, (version,)),), trouble=Trouble(doors=doors, others=others))
        for label, version, doors, others, half in users
    )
    for opened in ((), (title,), (title, title + "x"), (title, "b", "c")):
        check(draw(Card(title=title, packages=(title,), version="1.0.0", open=opened, missing="elsewhere", edges=made)))


@MODERATE
@given(NAMES)
def test_names_stand_on_two_lines_at_most(name: str) -> None:
    lines = lines_of(name)
    assert 1 <= len(lines) <= 2
    assert all(width_of(line, 14.3) <= 104 or len(line) <= 3 for line in lines)
    if "…" not in "".join(lines):
        assert "".join(lines) == name


def test_names_are_broken_where_they_may_be() -> None:
    assert lines_of("platform-checkout") == ("platform-", "checkout")
    first, second = lines_of("acme/platform-checkout-service")
    assert first == "acme/"
    assert (second[:4], second[-4:], "…" in second) == ("plat", "vice", True)
    assert lines_of("core") == ("core",)
