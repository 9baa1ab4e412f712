#!/usr/bin/env python3
"""Reads an export back with DuckDB: count, sum of sizes, sum of prices, first and last time.

usage: read_back.py CSV JSONL   exit 77: DuckDB is not installed
"""
import sys

try:
    import duckdb
except ImportError:
    print("skipped: no module duckdb (pip install duckdb)")
    sys.exit(77)

csv, jsonl = sys.argv[1:3]
what = "count(*), sum({0}size), sum({0}price), min({1}), max({1}), count(distinct {0}symbol_name)"
rows = [
    duckdb.sql(f"select {what.format('', 'sequence')} from read_csv('{csv}')").fetchall()[0],
    duckdb.sql(
        f"select {what.format('fields.', 'sequence')} from read_json('{jsonl}', format='newline_delimited')"
    ).fetchall()[0],
]
types = duckdb.sql(f"select typeof(price), typeof(time), typeof(size) from read_csv('{csv}') limit 1").fetchall()[0]
for row in rows:
    print(*(f"{value:.4f}" if isinstance(value, float) else value for value in row))
print(*types)
