"""Facts -> what to know first, in plain words with the numbers, and what to do about it; and what is in order.

The borders at which something is worth saying stand here, with nothing but judgement behind them.
"""

from __future__ import annotations

from collections.abc import Iterator

from copydesk.data.label_kinds import counted, listed
from copydesk.data.labels import LABELS
from copydesk.describe.facts import Facts, Finding, LabelFacts, Level, Sign
from copydesk.languages import UNSURE, language_name
from copydesk.metrics.base import proportion_interval
from copydesk.recipe import DEFAULT_ENCODER, Recipe

_RANK: dict[Level, int] = {"stop": 0, "do": 1, "look": 2}
_MUCH, _SOME, _TRACE = 0.05, 0.01, 0.001
_FEW_TEXTS = 20
_UNEVEN = 2.0
_ALWAYS = 0.9
_MANY_PIECES = 2.2
_UNKNOWN = 0.02
_DRIFTED = 0.02
_SIGN_APART, _SIGN_BEYOND = 0.15, 0.3
_FEW_LABELS = 12
_LENGTH_RATIO = 1.5
_WIDE = 0.03
_UNSPACED = frozenset({"ja", "zh", "th"})
_MOST_WARNINGS = 5


def findings_of(facts: Facts, recipe: Recipe) -> list[Finding]:
    """Return what to know, the most pressing first."""
    found = [
        *_about_rows(facts),
        *_about_labels(facts, recipe),
        *_about_copies(facts, recipe),
        *_about_lengths(facts),
        *_about_languages(facts, recipe),
        *_about_signs(facts),
        *_about_time(facts, recipe),
        *_about_outcome(facts),
    ]
    return sorted(found, key=lambda finding: _RANK[finding.level])


def settled_of(facts: Facts) -> list[str]:
    """Return what was looked at and is in order."""
    return [*_settled_rows(facts), *_settled_texts(facts)]


def _settled_rows(facts: Facts) -> Iterator[str]:
    copies, labels = facts.copies, facts.labels
    if facts.rows.with_text == facts.rows.read:
        yield "every row has a text"
    if labels is not None and not labels.unlabelled:
        yield "every text has a label"
    if not copies.copies:
        yield "no text is repeated"
    if labels is not None and not copies.conflicts:
        yield "no text stands under two labels"
    if not copies.near.pairs:
        yield f"no near-copies among {copies.near.looked_at:,} texts"


def _settled_texts(facts: Facts) -> Iterator[str]:
    tokens, main = facts.lengths.tokens, _main_language(facts)
    if tokens is not None and tokens.beyond < _SOME:
        part = f"{_percent(1 - tokens.beyond, 1)} of the texts" if tokens.beyond else "every text"
        yield f"the encoder reads {part} whole"
    if main and facts.languages.counts[main] > (1 - _SOME) * _sure_texts(facts):
        yield f"practically all texts are in {language_name(main)}"
    if facts.time is not None and facts.time.drift and not any(drift.sure for drift in facts.time.drift):
        yield "labels hold their shares over time"


def _about_rows(facts: Facts) -> Iterator[Finding]:
    rows = facts.rows
    for reason, count in rows.left_out.items():
        places = ", ".join(rows.examples[reason][:3])
        level: Level = "do" if count > _MUCH * rows.read else "look"
        yield Finding(level, f"{_of(count, rows.read, 'rows')}: {reason} ({places}).", "Prepare leaves them out.")


def _about_labels(facts: Facts, recipe: Recipe) -> Iterator[Finding]:
    labels = facts.labels
    if labels is None:
        what = f"The column {facts.label!r} is empty" if facts.label else f"There is no column {recipe.label!r}"
        remedy = "Name the label column with --label, or have the texts labelled with copydesk label."
        yield Finding("do", f"{what}: only the texts are described.", remedy)
        return
    if labels.unlabelled:
        what = f"{_of(labels.unlabelled, facts.rows.with_text, 'texts')} have no label."
        yield Finding("look", what, "Prepare leaves them out; copydesk label can give them weak ones.")
    if len(labels.counts) > 1:
        yield from _about_balance(labels, recipe)
        yield from _about_pairs(labels)


def _about_balance(labels: LabelFacts, recipe: Recipe) -> Iterator[Finding]:
    (commonest, most), *_, (rarest, least) = labels.counts.items()
    few = [name for name, count in labels.counts.items() if count < _FEW_TEXTS]
    if few and recipe.prepare.min_support < _FEW_TEXTS:  # else prepare leaves them out, and says so
        remedy = "Add texts, or merge these labels with others (aliases)."
        if recipe.task == "multi":
            remedy = f"Leave them out with prepare.min_support: {_FEW_TEXTS}."
        what = f"{len(few)} of {len(labels.counts)} labels have fewer than {_FEW_TEXTS} texts: {listed(few[::-1], 4)}."
        yield Finding("do", what, remedy)
    if most < _UNEVEN * least:
        return
    what = (
        f"{commonest!r} has {most:,} texts ({_percent(most / labels.labelled)}), {rarest!r} has {least:,}: "
        f"{most / least:,.0f} to 1."
    )
    if labels.per_text:
        remedy = "Judge by macro F1 beside micro F1: rare labels hardly show in the latter."
    else:
        always = _percent(most / labels.labelled)
        remedy = f"Always saying {commonest!r} is right for {always}: judge by macro F1 or macro recall."
        if recipe.train.class_weights == "none":
            remedy += " train.class_weights: balanced makes rare labels count as much."
    yield Finding("look", what, remedy)


def _about_pairs(labels: LabelFacts) -> Iterator[Finding]:
    if labels.together is None:
        return
    names, counts = labels.together.labels, labels.together.counts
    pairs = [
        (counts[one][other] / counts[one][one], names[one], names[other])
        for one in range(len(names))
        for other in range(len(names))
        if one != other and counts[one][one] >= _FEW_TEXTS
    ]
    for share, one, other in sorted(pairs, reverse=True)[:2]:
        if share >= _ALWAYS:
            what = f"{_percent(share)} of the texts with {one!r} have {other!r} too."
            yield Finding("look", what, f"{one!r} hardly ever stands without it: are both needed?")


def _about_copies(facts: Facts, recipe: Recipe) -> Iterator[Finding]:
    copies, near, settings = facts.copies, facts.copies.near, recipe.prepare
    if copies.across or near.across:
        what = f"{copies.across:,} texts, and {near.across:,} pairs of near-copies, stand in several parts."
        yield Finding("do", what, "The test part is then not new to the model: prepare the data again from its source.")
    if copies.conflicts:
        example = copies.conflicting[0]
        what = (
            f"{counted(copies.conflicts, 'text stands', 'texts stand')} under several labels "
            f"({copies.conflict_rows:,} rows), such as “{_short(example.text)}” ({', '.join(example.labels)})."
        )
        yield Finding("do", what, f"Settle them in the data. Until then prepare {_settlement(recipe)}.")
    if near.other_label:
        what = f"{counted(near.other_label, 'pair', 'pairs')} of near-copies differ in label."
        yield Finding("look", what, "Read them below: some are right, some are mistakes.")
    if copies.copies > _TRACE * facts.rows.with_text / 2:
        remedy = "Prepare keeps one of each." if settings.dedupe != "none" else "Set prepare.dedupe: near."
        what = f"{_of(copies.copies, facts.rows.with_text, 'rows')} repeat the text of another (case aside)."
        yield Finding("look" if settings.dedupe != "none" else "do", what, remedy)
    if near.texts > _TRACE * near.looked_at:
        apart = settings.split.by != "row"
        remedy = "Near-copies of training texts would flatter the test"
        remedy += (
            f": the split by {settings.split.by} keeps them out of it." if apart else ". Set prepare.split.by: group."
        )
        what = f"{_of(near.texts, near.looked_at, 'texts')} have a near-copy (similarity {near.threshold:g} or more)."
        yield Finding("look" if apart else "do", what, remedy)


def _settlement(recipe: Recipe) -> str:
    """Return what prepare does with a text under several labels."""
    if recipe.prepare.conflicts == "drop":
        return "leaves them out"
    tie = "joins the labels of a tie where they do not contradict" if LABELS[recipe.task].partial else "leaves out ties"
    return f"keeps each one's majority, and {tie}"


def _about_lengths(facts: Facts) -> Iterator[Finding]:
    tokens = facts.lengths.tokens
    if tokens is None:
        yield Finding("look", f"Lengths in tokens are missing: {facts.lengths.no_tokens.splitlines()[0]}")
        return
    if tokens.beyond >= _SOME:
        enough = next((limit for limit, share in tokens.fits.items() if share >= 1 - _SOME), tokens.most)
        what = (
            f"{_percent(tokens.beyond)} of the texts are longer than the encoder reads ({tokens.limit} tokens); "
            f"{_percent(tokens.lost)} of all tokens stand behind that."
        )
        if tokens.long_texts != "head":
            remedy = f"model.long_texts: {tokens.long_texts} sees to that."
        elif tokens.limit < enough:
            whole = _percent(tokens.fits.get(enough, 1.0))
            remedy = f"Set model.max_tokens: {enough} (holds {whole} whole; slower), or model.long_texts: head_tail."
        else:
            remedy = "Set model.long_texts: head_tail, or windows (slower)."
        yield Finding("do" if tokens.beyond >= _MUCH and tokens.long_texts == "head" else "look", what, remedy)


def _about_languages(facts: Facts, recipe: Recipe) -> Iterator[Finding]:
    languages, main = facts.languages, _main_language(facts)
    if not main:
        yield Finding("look", f"No language could be told of {languages.looked_at:,} texts.")
        return
    others = {code: count for code, count in languages.counts.items() if code not in (main, UNSURE)}
    sure = _sure_texts(facts)
    foreign = main != "en" and recipe.model.encoder == DEFAULT_ENCODER
    if foreign:
        what = f"Most texts are in {language_name(main)}; {DEFAULT_ENCODER} was made for English."
        yield Finding("do", what, f"Set model.encoder to one made for {language_name(main)}, or for many languages.")
    if sum(others.values()) > _SOME * sure:
        most = ", ".join(f"{language_name(code)} {_percent(count / sure)}" for code, count in list(others.items())[:4])
        what = f"{_percent(sum(others.values()) / sure)} of the texts are not in {language_name(main)}: {most}."
        remedy = "Leave them out, or set model.encoder to one made for many languages."
        yield Finding("do" if sum(others.values()) > _MUCH * sure else "look", what, remedy)
    yield from _about_vocabulary(facts, {UNSURE, main} if foreign else {UNSURE})


def _about_vocabulary(facts: Facts, said: set[str]) -> Iterator[Finding]:
    """Name the languages that the encoder does not know, but for those of which that was said."""
    tokens = facts.lengths.tokens
    for code, fit in tokens.vocabulary.items() if tokens else ():
        strange = fit.per_word > _MANY_PIECES and code not in _UNSPACED
        if code not in said and fit.texts > _SOME * facts.languages.looked_at and (strange or fit.unknown > _UNKNOWN):
            what = (
                f"{language_name(code)} is strange to the encoder: {fit.per_word:.1f} tokens a word (1.3 is usual), "
                f"{_percent(fit.unknown)} of them unknown."
            )
            yield Finding("do", what, f"Set model.encoder to one that knows {language_name(code)}.")


def _about_signs(facts: Facts) -> Iterator[Finding]:
    labels = facts.labels
    if labels is None or len(labels.counts) < 2:
        return
    known = [name for name, count in labels.counts.items() if count >= max(_FEW_TEXTS, _SOME * labels.labelled)]
    found = sorted((gap for sign in facts.signs if (gap := _gap(sign, known))), reverse=True)
    lengths = sorted((labels.words[name], name) for name in known)
    parts = [line for _, line in found[:3]]
    if lengths and lengths[-1][0] >= _LENGTH_RATIO * max(lengths[0][0], 1) and len(known) <= _FEW_LABELS:
        (short, briefest), (long, longest) = lengths[0], lengths[-1]
        parts.append(f"the median text of {longest!r} has {long:g} words, of {briefest!r} {short:g}")
    if parts:
        yield Finding(
            "look",
            f"Labels differ on the surface: {'; '.join(parts)}.",
            "A model may go by that instead of the content: test it on texts that differ in nothing else.",
        )


def _gap(sign: Sign, known: list[str]) -> tuple[float, str] | None:
    """Return how far a sign parts the labels, in words; None if it hardly does."""
    shares = {name: sign.by_label[name] for name in known}
    if len(shares) < 2:
        return None
    top = max(shares, key=lambda name: shares[name])
    low = min(shares, key=lambda name: shares[name])
    if len(shares) <= _FEW_LABELS:
        apart, other, least = shares[top] - shares[low], f"of {low!r} {_percent(shares[low])}", _SIGN_APART
    else:
        apart, other, least = shares[top] - sign.share, f"of all {_percent(sign.share)}", _SIGN_BEYOND
    return (apart, f"{_percent(shares[top])} of {top!r} {sign.name}, {other}") if apart >= least else None


def _about_time(facts: Facts, recipe: Recipe) -> Iterator[Finding]:
    time = facts.time
    if time is None:
        return
    if time.unreadable:
        what = f"{_of(time.unreadable, facts.rows.with_text, 'texts')} have no readable time in {time.column!r}."
        asked = recipe.prepare.split.time == time.column
        yield Finding("do" if asked else "look", what, "Split by time needs one in every row." if asked else "")
    drifted = [drift for drift in time.drift if drift.sure and abs(drift.newest - drift.oldest) >= _DRIFTED]
    if drifted:
        moves = ", ".join(f"{one.label!r} {_percent(one.oldest)} → {_percent(one.newest)}" for one in drifted[:3])
        split = f"prepare.split: {{by: time, time: {time.column}}}"
        remedy = f"The test on new texts is the honest one: {split}."
        if recipe.prepare.split.by == "time":
            remedy = "The recipe splits by time, so the test shows what that costs."
        yield Finding("look", f"Labels change from the oldest fifth to the newest: {moves}.", remedy)


def _about_outcome(facts: Facts) -> Iterator[Finding]:
    outcome = facts.outcome
    if outcome is None:
        return
    if outcome.refused:
        yield Finding("stop", f"Prepare would stop here: {outcome.refused}")
        return
    for line in outcome.warnings[:_MOST_WARNINGS]:
        yield Finding("look", f"Prepare warns: {line}")
    tested = outcome.rows.get("test", 0)
    low, high = proportion_interval(round(0.9 * tested), tested)
    if tested and (high - low) / 2 > _WIDE:
        what = (
            f"The test part has {tested:,} texts: a model that is right for 90 % there is right for "
            f"{_percent(low)} to {_percent(high)} of all such texts."
        )
        yield Finding("look", what, "Differences between models that are smaller than that mean little; add texts.")


def _main_language(facts: Facts) -> str:
    return next((code for code in facts.languages.counts if code != UNSURE), "")


def _percent(share: float, digits: int = 0) -> str:
    return f"{share:.{digits}%}".replace("%", " %")


def _sure_texts(facts: Facts) -> int:
    return facts.languages.looked_at - facts.languages.counts.get(UNSURE, 0)


def _of(count: int, total: int, unit: str) -> str:
    return f"{count:,} of {total:,} {unit} ({_percent(count / max(total, 1), 1)})"


def _short(text: str) -> str:
    plain = " ".join(text.replace("\x1f", " · ").split())
    return plain if len(plain) <= 60 else plain[:59].rstrip() + "…"
