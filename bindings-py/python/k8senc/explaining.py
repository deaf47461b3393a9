"""What is known of a log line, a rule or a code, in one shape."""

from __future__ import annotations

from dataclasses import dataclass

from k8senc._native import error_codes, error_texts, explain_error, hazard_codes, rules

__all__ = ["Explanation", "explain"]

_EXITS = {
    0: ("clean", "Nothing was found; validate: kube-apiserver starts."),
    1: ("findings", "Something deserves attention; validate: kube-apiserver refuses a file; diff: they differ."),
    2: ("usage", "The command or the configuration is wrong."),
    3: ("unreadable", "The input cannot be read or is corrupt."),
    4: ("undecided", "No findings, but not everything could be decided, usually because a KMS was not asked."),
    5: ("remote", "A KMS could not be reached."),
    70: ("fault", "A fault of k8senc: nothing is decided, and its last lines are worth a report."),
    74: ("output", "Standard output or a file cannot be written, as when a disk is full: nothing is decided."),
    130: ("interrupted", "Ctrl-C; nothing was changed that is not said."),
}


@dataclass(frozen=True)
class Explanation:
    """One thing and what there is to say of it."""

    title: str
    """What it is: a text of kube-apiserver, or a code with its name."""
    sections: tuple[tuple[str, str], ...]
    """Headings with their text, in order."""
    code: str | None = None
    """The code, if it has one."""

    def __str__(self) -> str:
        return "\n".join([self.title, *(f"  {heading}: {text}" for heading, text in self.sections)])


def explain(text: str) -> list[Explanation]:
    """What is known of a code, or of a line of kube-apiserver's log: the most specific first, empty if nothing is.

    Codes are those of lint rules (K8E001, K8M001), of changes (K8D01) and of errors (padding-bytes), and `exit 3`.
    """
    word = text.strip()
    upper = word.upper()
    for rule in all_rules():
        if upper == rule.code or word.lower() == rule.code_name:
            return [rule.explanation]
    for code, finds, why, fix in hazard_codes():
        if upper == code:
            return [Explanation(code, (("What it finds", finds), ("Why it matters", why), ("Fix", fix)), code)]
    for code, meaning, advice in error_codes():
        if word.lower() == code:
            said = () if advice is None else (("kube-apiserver says", advice.text), ("Cause", advice.cause), ("Check", advice.check), ("Cure", advice.cure))
            return [Explanation(code, (("Meaning", meaning), *said), code)]
    number = word.lower().removeprefix("exit code ").removeprefix("exit ")
    if number.isdecimal() and int(number) in _EXITS:
        name, meaning = _EXITS[int(number)]
        return [Explanation(f"exit code {number}: {name}", (("Meaning", meaning),), f"exit {number}")]
    return [
        Explanation(found.text, (("Cause", found.cause), ("Check", found.check), ("Cure", found.cure)))
        for found in explain_error(text)
    ]


@dataclass(frozen=True)
class _Rule:
    code: str
    code_name: str
    explanation: Explanation


def all_rules() -> list[_Rule]:
    made = []
    for rule in rules():
        sections = [("What it finds", _capital(rule.finds)), ("Why it matters", rule.why), ("Fix", rule.fix)]
        if rule.fixable:
            sections.append(("By itself", "k8senc lint --fix makes the change where it is safe."))
        sections += [("kube-apiserver says", rule.upstream), ("Source", rule.source)]
        made.append(_Rule(rule.code, rule.name, Explanation(f"{rule.code} {rule.name} ({rule.severity})", tuple(sections), rule.code)))
    return made


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def near(text: str, most: int = 5) -> list[str]:
    """Titles that share the most words with a text, for somebody who typed part of one."""
    words = {word for word in text.lower().replace("-", " ").split() if len(word) > 2}
    entries = [(rule.explanation.title, f"{rule.explanation}") for rule in all_rules()]
    entries += [(advice.text, f"{advice.text} {advice.cause}") for advice in error_texts()]
    scored = [(sum(word in body.lower() for word in words), title) for title, body in entries]
    best = sorted((entry for entry in scored if entry[0]), key=lambda entry: -entry[0])
    return [title for _, title in best[:most]]
