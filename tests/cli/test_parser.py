from vitreous.cli.parser import run


def test_a_yes_or_no_option_may_stand_alone():
    seen = []

    def check(name: str, download: bool = False, layer: int = 0) -> None:
        seen.append((name, download, layer))

    for line in ("a --download", "--download a", "--download --layer 2 a", "a --download false", "a --download=true"):
        run({"check": check}, ["check", *line.split()], "vitreous")
    assert seen == [("a", True, 0), ("a", True, 0), ("a", True, 2), ("a", False, 0), ("a", True, 0)]
