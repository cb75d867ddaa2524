#!/usr/bin/env bash
# Process Monitor files, read by culprit and by what else reads them, on one core, files in the page cache. Prints rates and
# ratios of one run; the machine's own speed falls out.
#
#   bench/procmon.sh FILE.PML FILE.CSV     (without arguments: the invented case of `culprit demo`)
#
# Needs go and python3 with venv; fetches procmon-parser, procmon-reader and duckdb from PyPI.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
pml=${1:-} csv=${2:-}
if [ -z "$pml" ]; then
	go run ./cmd/culprit demo --dir "$work/case" >/dev/null 2>&1
	pml=$work/case/Duo-ProcMon.PML csv=$work/case/Duo-ProcMon.csv
fi
python3 -m venv "$work/venv"
"$work/venv/bin/pip" -q install procmon-parser==0.4.0 procmon-reader==0.1.1 duckdb==1.5.5 2>/dev/null ||
	"$work/venv/bin/pip" -q install procmon-parser==0.4.0 procmon-reader==0.1.1 duckdb

go test -c -o "$work/ingest.test" ./internal/ingest
ours() { # FILE CPUS
	(cd internal/ingest && CULPRIT_BENCH=$1 taskset -c "$2" "$work/ingest.test" -test.run '^$' -test.bench File -test.benchtime 3x)
}
echo "culprit, $(basename "$pml"), one core: everything with Detail; header, process and path; what attribution wants"
ours "$pml" 0 | tee "$work/pml.txt" | grep '^Benchmark'
echo "culprit, $(basename "$csv"), one core"
ours "$csv" 0 | tee "$work/csv.txt" | grep '^Benchmark'
taskset -c 0 "$work/venv/bin/python" - "$pml" "$csv" "$work" <<'PY'
import os, re, sys, time
pml, csv, work = sys.argv[1:]
def rate(file, bench, unit):
    for line in open(f'{work}/{file}.txt'):
        if f'/{bench}' in line:
            return float(re.search(r'([\d.e+]+) ' + unit, line).group(1))
def row(what, peer, own, unit):
    print(f'{what:<58}{peer:>14,.0f} {unit}   culprit {own / peer:8.1f}x')

def timed(f):
    t = time.perf_counter()
    n = f()
    return n / (time.perf_counter() - t)

import procmon_parser
def parser(details):
    def run():
        with open(pml, 'rb') as f:
            n = 0
            for e in procmon_parser.ProcmonLogsReader(f, should_get_details=details):
                n += 1
                if n == 60000:  # it is slow enough to be measured on a part
                    break
            return n
    return run
print()
row('procmon-parser 0.4.0, with details', timed(parser(True)), rate('pml', 'all', 'events/s'), 'events/s')
row('procmon-parser 0.4.0, without', timed(parser(False)), rate('pml', 'path', 'events/s'), 'events/s')

from procmon_reader import ProcmonReader
def reader(fields):
    def run():
        with ProcmonReader(pml) as r:
            r.apply_filters(None, select_fields=fields)
            return sum(1 for _ in r)
    return run
base = ['process_name', 'pid', 'operation', 'path', 'result']
try:
    row('procmon-reader 0.1.1, 6 fields and detail', timed(reader(base + ['detail'])), rate('pml', 'all', 'events/s'), 'events/s')
    row('procmon-reader 0.1.1, 6 fields', timed(reader(base)), rate('pml', 'path', 'events/s'), 'events/s')
except Exception as e:
    print('procmon-reader 0.1.1 cannot read it:', e)

import duckdb
def duck():
    c = duckdb.connect()
    c.execute('set threads=1')
    c.execute('create table t as select * from read_csv(?, all_varchar=true)', [csv])
    return os.path.getsize(csv) / 1e6
row(f'duckdb {duckdb.__version__} read_csv into a table', timed(duck), rate('csv', 'all', 'MB/s'), 'MB/s')
PY
