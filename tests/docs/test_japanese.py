"""README.ja.md says what README.md says: the same commands, numbers and table of commands, in the same order."""

import re

from .snippets import ROOT, snippets

ENGLISH, JAPANESE = ROOT / "README.md", ROOT / "README.ja.md"


def code(page) -> list[str]:
    """Lines of all blocks, without comments, which are translated."""
    lines = [re.sub(r"(^|\s+)#.*", "", line) for snippet in snippets(page) for line in snippet.text.splitlines()]
    return [line for line in lines if line]


def test_the_same_code():
    assert code(JAPANESE) == code(ENGLISH)


def test_the_same_table_of_commands():
    named = [re.findall(r"^\| `(vitreous \w+)` \|", page.read_text(), re.M) for page in (JAPANESE, ENGLISH)]
    assert named[0] == named[1]


def test_each_links_to_the_other():
    assert "(README.md)" in JAPANESE.read_text()
    assert "(README.ja.md)" in ENGLISH.read_text()
