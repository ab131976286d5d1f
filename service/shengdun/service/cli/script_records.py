"""How scripts, and the texts that use them, look in a terminal."""

from collections.abc import Iterable

from shengdun.service.cli.output import note, say, say_json, table
from shengdun.service.cli.records import moment, show_fields
from shengdun.service.client import NearDuplicate, Passage, Script, ScriptMatch


def show_script(script: Script, *, json: bool) -> None:
    """Write one script, with its text where it has it."""
    if json:
        say_json(script)
        return
    show_fields(
        ("script", script.script_id),
        ("title", script.title),
        ("kind", script.kind.value),
        ("network", script.network_id),
        ("campaign", script.campaign),
        ("purpose", script.purpose),
        ("source", script.source),
        ("case", script.case_reference),
        ("legal basis", script.legal_basis),
        ("expires", _expiry(script)),
        ("created", moment(script.created_at)),
        ("registered by", script.registered_by),
        ("characters", str(script.text_length)),
        ("searched", "yes" if script.searched else "no"),
    )
    for near in script.near_duplicates or ():
        note(f"nearly the same is there already: {near_duplicate(near)}")
    if script.text is not None:
        say()
        say("\n".join(printable(line) for line in script.text.splitlines()))


def near_duplicate(near: NearDuplicate) -> str:
    """A script with nearly the wording of a new one, in words."""
    of = ", ".join(name for name in (near.network_id, near.campaign) if name)
    return (
        f"{near.script_id} {near.title!r}{f' ({of})' if of else ''}, with which it has {near.share:.0%} of that "
        f"and {near.share_of_new:.0%} of its own wording in common"
    )


def show_scripts(scripts: Iterable[Script]) -> None:
    """Write a table of scripts."""
    rows = [
        (
            script.script_id,
            script.title,
            script.kind.value,
            script.network_id,
            script.campaign,
            str(script.text_length),
            _expiry(script),
            "yes" if script.searched else "no",
        )
        for script in scripts
    ]
    headers = ("SCRIPT", "TITLE", "KIND", "NETWORK", "CAMPAIGN", "CHARACTERS", "EXPIRES")
    say(table((*headers, "SEARCHED"), rows))


def show_match(match: ScriptMatch) -> None:
    """Write a script that a text may use, and both sides of every passage with their places."""
    of = ", ".join(name for name in (match.network_id, match.campaign) if name)
    say(
        f"{match.script_id} {match.title!r}{f' ({of})' if of else ''}: LLR {match.llr:+.1f}, "
        f"{match.script_share:.0%} of the script, {match.text_share:.0%} of the text"
    )
    for passage in match.passages:
        for line in _sides(passage):
            say(f"  {line}")


def printable(text: str) -> str:
    """A text on one line, with what a terminal would not show, or would obey, written out."""
    return "".join(
        character
        if character.isprintable()
        else " "
        if character.isspace()
        else _written(character)
        for character in text
    )


def _sides(passage: Passage) -> tuple[str, str]:
    places = (
        f"text {passage.text_start}-{passage.text_end}",
        f"script {passage.script_start}-{passage.script_end}",
    )
    wide = max(map(len, places))
    sounds = "" if passage.view.value == "characters" else f" [{passage.view.value}]"
    return (
        f"{places[0]:<{wide}}  {printable(passage.text_excerpt)}{sounds}",
        f"{places[1]:<{wide}}  {printable(passage.script_excerpt)}",
    )


def _written(character: str) -> str:
    return f"\\u{ord(character):04x}"


def _expiry(script: Script) -> str:
    return "never" if script.expires_at is None else moment(script.expires_at)
