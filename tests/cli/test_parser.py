from vitreous.cli.parser import run, second_is


def test_a_yes_or_no_option_may_stand_alone():
    seen = []

    def check(name: str, download: bool = False, layer: int = 0) -> None:
        seen.append((name, download, layer))

    for line in ("a --download", "--download a", "--download --layer 2 a", "a --download false", "a --download=true"):
        run({"check": check}, ["check", *line.split()], "vitreous")
    assert seen == [("a", True, 0), ("a", True, 0), ("a", True, 2), ("a", False, 0), ("a", True, 0)]


def test_a_second_positional_argument_may_be_left_out():
    seen = []

    def look(run: str, store: str | None = None, pictures: int = 5) -> None:
        seen.append((run, store, pictures))

    for line in ("a", "a b", "a b --pictures 3", "a --pictures 3", "a --store=b", "--pictures 3 a"):
        run(second_is("store", look), line.split(), "vitreous look")
    assert seen == [("a", None, 5), ("a", "b", 5), ("a", "b", 3), ("a", None, 3), ("a", "b", 5), ("a", None, 3)]
