#!/usr/bin/env bash
# fastavro: an Avro int takes 1.7 as 1 and 2 ** 40 as it is, strict mode included, and a float overflows to infinity.
#
# Version: fastavro 1.13.1; avro 1.12.2 (the Apache project's own) for comparison.
# Behaviour: a field of type "int" holds 32 bits. fastavro writes 1.7 into it as 1 and 2 ** 40 in full, which is no
#   Avro int any more; 1e300 in a "float" becomes infinity. `strict=True` checks the names of the fields and changes
#   none of it. The Apache package raises for each. (In a union the same 1.7 is refused or goes to the branch that
#   fits: only there are values looked at.)
# Seen (Python 3.11, Linux x86-64, November 2026):
#   1.7            as "int"           fastavro 1, strict 1, avro AvroTypeException
#   1099511627776  as "int"           fastavro 1099511627776, strict 1099511627776, avro AvroTypeException
#   1e+300         as "float"         fastavro inf, strict inf, avro OverflowError
#   1.7            as ["null", "int"] fastavro ValueError, strict ValueError, avro AvroTypeException
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check fastavro==1.13.1 avro==1.12.2
"$folder/venv/bin/python" -I - <<'EOF'
import io
import json

import avro.io
import avro.schema
import fastavro


def record(kind):
    return {"type": "record", "name": "example", "fields": [{"name": "x", "type": kind}]}


def fast(kind, value, **options):
    schema, file = fastavro.parse_schema(record(kind)), io.BytesIO()
    try:
        fastavro.schemaless_writer(file, schema, {"x": value}, **options)
    except Exception as error:
        return type(error).__name__
    file.seek(0)
    return fastavro.schemaless_reader(file, schema)["x"]


def apache(kind, value):
    schema, file = avro.schema.parse(json.dumps(record(kind))), io.BytesIO()
    try:
        avro.io.DatumWriter(schema).write({"x": value}, avro.io.BinaryEncoder(file))
    except Exception as error:
        return type(error).__name__
    file.seek(0)
    return avro.io.DatumReader(schema).read(avro.io.BinaryDecoder(file))["x"]


rows = []
for kind, value in (("int", 1.7), ("int", 2**40), ("float", 1e300), (["null", "int"], 1.7)):
    rows.append((fast(kind, value), fast(kind, value, strict=True), apache(kind, value)))
    print(f"{value!r:14} as {json.dumps(kind):15} fastavro {rows[-1][0]}, strict {rows[-1][1]}, avro {rows[-1][2]}")
as_found = [row[0] for row in rows] == [1, 2**40, float("inf"), "ValueError"]
as_found = as_found and all(row[0] == row[1] for row in rows)
as_found = as_found and all(str(row[2]) in ("AvroTypeException", "OverflowError") for row in rows)

print("as found" if as_found else "NOT as found: the behaviour has changed")
raise SystemExit(not as_found)
EOF
