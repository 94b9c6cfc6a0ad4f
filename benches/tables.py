"""Prints the tables of docs/performance.md out of a result of `make bench`.

    python3 benches/tables.py benches/results/FILE.json
"""

import json
import sys

_MODELS = {"tiny-chat": "", "smollm2-135m-instruct": "SmolLM2-135M, "}
_CASES = {"64-clients": "64 clients", "16-clients": "16 clients", "1-client": "1 client", "one-token": "one new token, 64 clients", "smollm2": "16 clients"}
_SERVERS = {
    "BlindLlama": "BlindLlama",
    "BlindLlama, own process": "own process",
    "vllm serve": "`vllm serve`",
    "vllm serve, all cores": "the same, all cores",
    "vllm-rs": "`vllm-rs`",
    "vllm-rs, all cores": "the same, all cores",
    "bare loop": "bare loop",
}
_VERDICTS = {"reached": "reached", "missed": "**missed**", "beyond_the_bare_loop": "beyond the bare loop"}


def number(value):
    """Three digits that count, and none of a whole number's lost."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def measured(server):
    values = server["values"]
    if len(values) < 2:
        return number(server["median"])
    return f"{number(server['median'])} ({number(min(values))}–{number(max(values))})"


def line(cells):
    return "| " + " | ".join(cells) + " |"


def head(cells):
    return [line(cells), "|" + "---|" * len(cells)]


def named(row):
    what = row["what"] + (f", {row['unit']}" if row["unit"] else "")
    return f"{_MODELS[row['model']]}{_CASES.get(row['case'], row['case'])}: {what}"


def goal(row, against):
    for goal in row["goals"]:
        if goal["against"] == against:
            return f"{goal['ratio']:.2f} ({goal['goal']:g}): {_VERDICTS[goal['verdict']]}"
    return ""


def compared(rows):
    """Rows with the peers beside the gateway."""
    yield from head(["figure", "", *_SERVERS.values(), "to `vllm serve` (goal)", "to `vllm-rs` (goal)"])
    for row in rows:
        found = {server["server"]: measured(server) for server in row["servers"]}
        goals = [goal(row, "vllm serve"), goal(row, "vllm-rs")]
        yield line([named(row), row["dtype"], *(found.get(server, "") for server in _SERVERS), *goals])


def alone(rows):
    """Rows of the gateway alone."""
    yield from head(["figure of the gateway alone", "", "median (spread)", "bound"])
    for row in rows:
        what = row["what"] + (f", {row['unit']}" if row["unit"] else "")
        bound = [f"{goal['goal']:g}: {_VERDICTS[goal['verdict']]}" for goal in row["goals"]]
        yield line([what, row["dtype"], measured(row["servers"][0]), *(bound or [""])])


def overload(rows):
    """Twice what each server sustained: a line for each server."""
    figures = list(dict.fromkeys(row["what"] for row in rows))
    yield from head(["twice the sustained load", "", *figures])
    for dtype, server in dict.fromkeys((row["dtype"], row["servers"][0]["server"]) for row in rows):
        found = {row["what"]: row for row in rows if (row["dtype"], row["servers"][0]["server"]) == (dtype, server)}
        cells = (f"{number(found[what]['servers'][0]['median'])} {found[what]['unit']}" if what in found else "" for what in figures)
        yield line([server, dtype, *cells])


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        result = json.load(file)
    print(f"{result['date']}, {result['processor']}, {result['cores']} cores, Linux {result['kernel']}, {result['rounds']} rounds")
    of = {"overload": [], "alone": [], "compared": []}
    for row in result["rows"]:
        kind = row["case"] if row["case"] == "overload" else "alone" if row["case"] in ("busy", "proof") else "compared"
        of[kind].append(row)
    for table in (compared(of["compared"]), alone(of["alone"]), overload(of["overload"])):
        print("", *table, sep="\n")


if __name__ == "__main__":
    main()
