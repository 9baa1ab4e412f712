#!/usr/bin/env python3
"""Reads an export back with DuckDB or pyarrow, with both where both are there: count, sum of sizes,
sum of prices, first and last sequence, number of symbols; then the types of price, time and size.

usage: read_back.py CSV JSONL   exit 77: neither is installed; 1: they do not agree
"""
import sys


def with_duckdb(csv, jsonl):
    import duckdb

    what = "count(*), sum({0}size), sum({0}price), min({1}), max({1}), count(distinct {0}symbol_name)"
    tables = [
        (f"read_csv('{csv}')", ""),
        (f"read_json('{jsonl}', format='newline_delimited')", "fields."),
    ]
    rows = [
        duckdb.sql(f"select {what.format(front, 'sequence')} from {table}").fetchall()[0]
        for table, front in tables
    ]
    types = duckdb.sql(f"select typeof(price), typeof(time), typeof(size) from {tables[0][0]} limit 1")
    return rows, types.fetchall()[0]


def with_pyarrow(csv, jsonl):
    import pyarrow.compute as compute
    import pyarrow.csv
    import pyarrow.json

    def row(sequence, size, price, symbol):
        ends = compute.min_max(sequence).as_py()
        return (
            len(sequence),
            compute.sum(size).as_py(),
            float(compute.sum(price).as_py()),
            ends["min"],
            ends["max"],
            compute.count_distinct(symbol).as_py(),
        )

    table = pyarrow.csv.read_csv(csv)
    lines = pyarrow.json.read_json(jsonl)
    fields = lines["fields"].combine_chunks()
    rows = [
        row(*(table[name] for name in ("sequence", "size", "price", "symbol_name"))),
        row(lines["sequence"], *(fields.field(name) for name in ("size", "price", "symbol_name"))),
    ]
    return rows, [str(table[name].type).upper() for name in ("price", "time", "size")]


found = []
for read in (with_duckdb, with_pyarrow):
    try:
        found.append(read(*sys.argv[1:3]))
    except ImportError as missing:
        print(f"note: {missing}", file=sys.stderr)
if not found:
    print("skipped: neither duckdb nor pyarrow is there (pip install duckdb, or pyarrow)")
    sys.exit(77)


def text(row):
    return [f"{value:.4f}" if isinstance(value, float) else str(value) for value in row]


rows, types = found[0]
for others, _ in found[1:]:
    for one, other in zip(rows, others):
        close = abs(float(one[2]) - float(other[2])) < 0.01
        if not close or text(one[:2] + one[3:]) != text(other[:2] + other[3:]):
            sys.exit(f"DuckDB and pyarrow do not agree: {one} {other}")
for row in rows:
    print(*text(row))
print(*types)
