#!/usr/bin/env bash
# The first blog post's job, end to end, by hand-made VisiData steps (replayed in batch) and by culprit, on the same invented
# recordings: 309,730 Procmon rows, about 20,000 packets, 11 ranges. Prints wall time, peak memory and their ratios, run by
# run in turn, so that a machine that slows down slows both.
#
#   apt-get install visidata python3-dpkt python3-dnslib time
#   bench/seed.sh [RUNS]
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-5}
for tool in vd /usr/bin/python3 /usr/bin/time go; do
	command -v "$tool" >/dev/null || { echo "bench/seed.sh: $tool is missing (see the head of this script)" >&2; exit 2; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -o "$work/culprit" ./cmd/culprit
"$work/culprit" demo --dir "$work/case" >/dev/null 2>&1
cd "$work/case"

# What the post does in Vim and PowerShell: every address of the ranges in a CSV, and the capture exported as pcap, TCP only.
/usr/bin/python3 - <<'PY'
import ipaddress, re
nets = re.findall(r'\d+\.\d+\.\d+\.\d+/\d+', open('duo.txt').read())
with open('ips.csv', 'w') as f:
    f.write('"IPAddressToString"\n')
    for n in nets:
        f.writelines(f'"{a}"\n' for a in ipaddress.ip_network(n, strict=False))

# The post filters on TCP before it exports, or names would stand where addresses should.
import dpkt
with open('Duo-Wireshark.pcap', 'rb') as src, open('cap.pcap', 'wb') as dst:
    w = dpkt.pcap.Writer(dst)
    for ts, buf in dpkt.pcap.Reader(src):
        ip = dpkt.ethernet.Ethernet(buf).data
        if isinstance(getattr(ip, 'data', None), dpkt.tcp.TCP):
            w.writepkt(buf, ts)

# The post's steps, as VisiData logs them.
import json
def step(sheet, longname, input='', col='', row=''):
    return json.dumps(dict(sheet=sheet, col=col, row=row, longname=longname, input=input, keystrokes='', comment=''))
K = 'キ'  # how VisiData's command log names a row by its key
steps = [
    step('', 'open-file', 'cap.pcap'), step('cap', 'key-col', col='dsthost'),
    step('', 'open-file', 'ips.csv'), step('ips', 'rename-col', 'dsthost', col='IPAddressToString'),
    step('ips', 'type-string', col='dsthost'), step('ips', 'key-col', col='dsthost'),
    step('ips', 'sheets-stack'), step('sheets', 'select-row', row=K + 'ips'), step('sheets', 'select-row', row=K + 'cap'),
    step('sheets', 'join-selected', 'inner'), step('', 'rename-sheet', 'wanted'),
    step('wanted', 'key-col-off', col='dsthost'), step('wanted', 'key-col', col='srcport'),
    step('', 'open-file', 'Duo-ProcMon.csv'), step('Duo-ProcMon', 'select-col-regex', 'TCP', col='Operation'),
    step('Duo-ProcMon', 'dup-selected'), step('', 'rename-sheet', 'tcp'),
    step('tcp', 'split-col', '[ :]', col='Path'), step('tcp', 'rename-col', 'srcport', col='Path_re1'),
    step('tcp', 'type-int', col='srcport'), step('tcp', 'key-col', col='srcport'),
    step('tcp', 'sheets-stack'), step('sheets', 'unselect-rows'), step('sheets', 'select-row', row=K + 'tcp'), step('sheets', 'select-row', row=K + 'wanted'),
    step('sheets', 'join-selected', 'inner'), step('', 'freq-col', col='Process Name'),
]
open('seed.vdj', 'w').write('#!vd -p\n' + '\n'.join(steps) + '\n')
PY
# Its pcap loader downloads two tables and gives up without them: empty ones will do.
export HOME="$work/home"
mkdir -p "$HOME/.cache/visidata"
printf 'prefix\tshortname\n' >"$HOME/.cache/visidata/https%3A%2F%2Fvisidata.org%2Fplugins%2Fpcap%2Fwireshark-oui.tsv"
printf 'service\tport\ttransport\n' >"$HOME/.cache/visidata/https%3A%2F%2Fvisidata.org%2Fplugins%2Fpcap%2Fiana-ports.tsv"

measure() { # NAME COMMAND...: one line "seconds kilobytes" appended to NAME.times
	local name=$1
	shift
	/usr/bin/time -f '%e %M' -a -o "$work/$name.times" "$@" >"$work/$name.out" 2>"$work/$name.err" || { cat "$work/$name.err" >&2; exit 1; }
}
for _ in $(seq "$runs"); do
	measure visidata vd -b -p seed.vdj -o "$work/visidata.tsv"
	measure culprit-csv "$work/culprit" who -q --to duo.txt Duo-ProcMon.csv cap.pcap
	measure culprit-pml "$work/culprit" who -q --to duo.txt Duo-ProcMon.PML cap.pcap
	measure culprit-csv-all "$work/culprit" who -q --to duo.txt Duo-ProcMon.csv Duo-Wireshark.pcapng
done

echo "VisiData blames:"
cat "$work/visidata.tsv"
echo
echo "culprit names:"
cat "$work/culprit-csv.out"
echo
/usr/bin/python3 - "$work" "$runs" <<'PY'
import statistics, sys
work, runs = sys.argv[1], sys.argv[2]
def read(name):
    return [tuple(map(float, l.split())) for l in open(f'{work}/{name}.times') if l[0].isdigit()]
vd = read('visidata')
print(f'{"median of " + runs + " runs":<44}{"wall s":>8}{"peak MB":>9}{"faster":>9}{"less memory":>13}')
for name, what in (('visidata', 'VisiData, CSV + TCP-only pcap'), ('culprit-csv', 'culprit,  CSV + TCP-only pcap'),
                   ('culprit-pml', 'culprit,  PML + TCP-only pcap'), ('culprit-csv-all', 'culprit,  CSV + the whole pcapng')):
    t = read(name)
    wall, mem = statistics.median(x[0] for x in t), statistics.median(x[1] for x in t) / 1024
    faster = statistics.median(v[0] / max(x[0], 0.01) for v, x in zip(vd, t))
    less = statistics.median(v[1] / x[1] for v, x in zip(vd, t))
    print(f'{what:<44}{wall:>8.2f}{mem:>9.1f}{faster:>8.1f}x{less:>12.1f}x')
PY
