package simulate

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"time"
)

// background fills the recording with what Windows does all day: it opens keys and files, looks at them and closes them.
func (b *builder) background() {
	n := b.Rows - len(b.Records)
	if n <= 0 {
		return
	}
	b.cover = true
	rng := rand.New(rand.NewPCG(b.Seed, 2)) // its own, so that the story doesn't depend on the number of rows
	paths := places(rng, max(64, b.Rows/12))
	step := float64(b.at(cmp.Or(b.HostEnd, 1))-time.Millisecond) / float64(n)
	var burst []Record
	for i := range n {
		if len(burst) == 0 {
			burst = b.burst(rng, paths)
		}
		r := burst[0]
		burst = burst[1:]
		r.At = time.Duration((float64(i) + 0.9*rng.Float64()) * step).Truncate(100)
		if p := &b.Processes[r.Proc]; r.At < p.Start+time.Millisecond || p.End > 0 && r.At > p.End {
			r.Proc = pExplorer
		}
		b.Records = append(b.Records, r)
	}
}

// A place is a file or a key.
type place struct {
	path string
	key  bool
}

func places(rng *rand.Rand, n int) []place {
	keys := []string{
		`HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Image File Execution Options\%s`,
		`HKCU\Software\Classes\CLSID\{%08x-1c4f-4a5e-9b0a-7d2f00c0ffee}\InprocServer32`,
		`HKLM\System\CurrentControlSet\Services\Tcpip\Parameters\Interfaces\{%08x-93b5-4c43-8c36-6e1e7d0b4b5d}`,
		`HKCU\Software\Microsoft\OneDrive\Accounts\Business1\ScopeIdToMountPointPathCache\%08x`,
	}
	files := []string{
		`C:\Users\ana\AppData\Local\Google\Chrome\User Data\Default\Cache\Cache_Data\f_%06x`,
		`C:\Users\ana\AppData\Local\Microsoft\OneDrive\logs\Business1\SyncDiagnostics-%08x.odlsent`,
		`C:\WINDOWS\WinSxS\amd64_microsoft-windows-%08x_31bf3856ad364e35_10.0.19041.1806_none`,
		`C:\Users\ana\OneDrive - Contoso\Résumés\Bericht %d – Überarbeitet.docx`,
		`C:\Users\ana\AppData\Local\Packages\Microsoft.AAD.BrokerPlugin_cw5n1h2txyewy\AC\INetCache\%08X.js`,
		`C:\ProgramData\Microsoft\Windows Defender\Scans\History\Store\%08X`,
	}
	all := make([]place, n)
	for i := range all {
		all[i].key = rng.IntN(20) < 13
		if all[i].key {
			all[i].path = fill(keys[rng.IntN(len(keys))], rng)
		} else {
			all[i].path = fill(files[rng.IntN(len(files))], rng)
		}
	}
	return all
}

func fill(pattern string, rng *rand.Rand) string {
	if pattern[len(pattern)-1] == 's' {
		return fmt.Sprintf(pattern, fmt.Sprintf("app%03d.exe", rng.IntN(400)))
	}
	return fmt.Sprintf(pattern, rng.Uint32N(1<<24))
}

// burst is what one process does to one place.
func (b *builder) burst(rng *rand.Rand, paths []place) []Record {
	weights := [...]int{pSystem: 6, pLsass: 3, pDefender: 22, pExplorer: 12, pOneDrive: 14, pTeams: 8, pSearch: 5, pChrome: 9, pChromeNet: 6, pBroker: 11, pSmartScreen: 2}
	n := rng.IntN(98)
	proc := 0
	for n >= weights[proc] {
		n -= weights[proc]
		proc++
	}
	pl := paths[rng.IntN(len(paths))]
	tid := uint32(4 * (900 + proc*97 + rng.IntN(12)))
	r := func(op Op, arg int32) Record {
		return Record{Proc: int32(proc), TID: tid, Op: op, Path: pl.path, Arg: arg, Took: time.Duration(5+rng.IntN(900)) * 100}
	}
	if pl.key {
		open := r(RegOpenKey, 0)
		if rng.IntN(3) == 0 {
			open.Status = statusNotFound
			return []Record{open}
		}
		value := r(RegQueryValue, int32(rng.IntN(3)))
		value.Path += `\Enabled`
		if rng.IntN(2) == 0 {
			value.Status, value.Arg = statusNotFound, 144
		} else if rng.IntN(12) == 0 {
			value.Op = RegSetValue
		}
		return []Record{open, value, r(RegCloseKey, 0)}
	}
	open := r(CreateFile, 0)
	if rng.IntN(5) == 0 {
		open.Status = statusNotFound
		return []Record{open}
	}
	data := r(ReadFile, int32(1+rng.IntN(65536)))
	data.Offset = int64(rng.IntN(64)) << 16
	if rng.IntN(6) == 0 {
		data.Op = WriteFile
	} else if rng.IntN(9) == 0 {
		data.Status = statusEOF
	}
	return []Record{open, r(QueryBasicInformationFile, 0), data, r(CloseFile, 0)}
}
