package procmon

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"culprit/internal/event"
)

// joinDetail puts parts together again.
func joinDetail(parts []detailPart, d []byte) string {
	var s strings.Builder
	for i, p := range parts {
		if i > 0 {
			s.WriteString(", ")
		}
		s.Write(d[p.valueBegin-p.label : p.valueBegin])
		s.Write(p.value)
	}
	return s.String()
}

func (p detailPart) String() string {
	if p.key == nil {
		return fmt.Sprintf("%q", p.value)
	}
	return fmt.Sprintf("%s=%q", p.key.name, p.value)
}

func TestSplitDetail(t *testing.T) {
	f := func(operation, detail, want string) {
		t.Helper()
		parts, ok := splitDetail(nil, []byte(operation), []byte(detail))
		got := "none"
		if ok {
			got = fmt.Sprint(parts)
		}
		if got != want {
			t.Errorf("%s, %q\n got %s\nwant %s", operation, detail, got, want)
		}
		if ok && joinDetail(parts, []byte(detail)) != detail {
			t.Errorf("%s, %q: the parts are %q", operation, detail, joinDetail(parts, []byte(detail)))
		}
	}
	f("CreateFile", "Desired Access: Read Data/List Directory, Synchronize, Disposition: Open, Options: Directory, Open For Backup, Attributes: n/a, ShareMode: Read, Write, Delete, AllocationSize: n/a, OpenResult: Opened",
		`[Desired Access="Read Data/List Directory, Synchronize" Disposition="Open" Options="Directory, Open For Backup" Attributes="n/a" ShareMode="Read, Write, Delete" AllocationSize="n/a" OpenResult="Opened"]`)
	f("Process Create", "PID: 8, Command line: x, PID: 9, Command line: y", `[PID="8" Command line="x, PID: 9, Command line: y"]`)
	f("Process Start", "Parent PID: 8, Command line: x, Current directory: y, Environment: z, Current directory: C:\\, Environment: \n;\tA=, Environment: q",
		`[Parent PID="8" Command line="x, Current directory: y, Environment: z" Current directory="C:\\" Environment="\n;\tA=, Environment: q"]`)
	f("Process Start", "Parent PID: 8", `[Parent PID="8"]`)
	f("RegSetValue", "Type: REG_SZ, Length: 36, Data: a, Length: 3", `[Type="REG_SZ" Length="36" Data="a, Length: 3"]`)
	f("RegEnumValue", "Index: 3, Name: a, b, Type: REG_SZ, Length: 4, Data: , Type: x", `[Index="3" Name="a, b" Type="REG_SZ" Length="4" Data=", Type: x"]`)
	f("RegQueryKey", "Query: Name, Name: x, Length: 3", `[Query="Name" Name="x, Length: 3"]`)
	f("RegQueryKey", "Query: HandleTags, HandleTags: 0x400", `[Query="HandleTags" HandleTags="0x400"]`)
	f("QueryDirectory", "0: ., 1: .., FileInformationClass: FileIdBothDirectoryInformation, 3: a, 7: b, 4: c",
		`[#="." #=".." FileInformationClass="FileIdBothDirectoryInformation" #="a, 7: b" #="c"]`)
	f("QueryDirectory", "Filter: *.sys, 1: pagefile.sys, FileInformationClass: FileBothDirectoryInformation",
		`[Filter="*.sys" #="pagefile.sys" FileInformationClass="FileBothDirectoryInformation"]`)
	f("TCP Send", "Length: 1,212, startime: 369678, endtime: 369678, seqnum: 0, connid: 0",
		`[Length="1,212" startime="369678" endtime="369678" seqnum="0" connid="0"]`)
	f("ReadFile", "Length: 1, Offset: 2", `[Length="1, Offset: 2"]`) // not in Procmon's order
	f("ReadFile", "what, Length: 2", `["what" Length="2"]`)
	f("ReadFile", "", "[]")
	f("SetQuux", "Length: 1", "none")
}

// TestDetailKeysAreFields holds the table and the vocabulary to each other.
func TestDetailKeysAreFields(t *testing.T) {
	used := map[event.Field]bool{}
	for _, spec := range detailSpecs() {
		for _, k := range spec {
			used[k.field] = true
		}
	}
	for _, i := range event.Fields() {
		if f, _ := event.Lookup(i.Name); i.Section == "Procmon Detail" && (!used[f] || f < event.ProcmonDetailDesiredAccess || f > event.ProcmonDetailEntries) {
			t.Errorf("no operation has %s", i.Name)
		}
	}
}

// TestDetailCorpus splits every Detail of the real exports. The parts must be the whole again, and no value may hold what
// looks like a key, but for text that anybody may have written.
func TestDetailCorpus(t *testing.T) {
	free := []string{"Command line", "Environment", "Data", "Name", "Current directory", "Filter", "Hive Path", "#", "FileName"}
	key := regexp.MustCompile(`, [A-Z][A-Za-z/ ]{2,30}: `)
	rows, parts, unknown, whole, odd := 0, 0, map[string]int{}, map[string]int{}, 0
	for _, name := range []string{
		"procmon/LogFileUTC64Filesystem.csv.zst", "procmon/LogFileUTC64Process.csv.zst", "procmon/LogFileUTC64Registry.csv.zst",
		"procmon/LogfileTests32bitUTC.csv.zst", "procmon/Noriben_09_Apr_13__20_16_13_368000.csv", "procmon/excel-resaved.csv",
		"procmon/locale-comma-seconds.csv", "procmon/locale-nbsp-dots.csv.zst", "misc/phishing-Logfile.csv",
	} {
		header, all := oracle(t, corpusFile(t, name))
		op, detail := slices.Index(header, "Operation"), slices.Index(header, "Detail")
		var got []detailPart
		for _, row := range all {
			d := []byte(row[detail])
			if len(d) == 0 {
				continue
			}
			rows++
			var ok bool
			if got, ok = splitDetail(got[:0], []byte(row[op]), d); !ok {
				unknown[row[op]]++
				continue
			}
			parts += len(got)
			if joinDetail(got, d) != row[detail] {
				t.Fatalf("%s, %q: the parts are %v", row[op], d, got)
			}
			for _, p := range got {
				if p.key == nil {
					whole[row[op]+": "+string(p.value)]++
				} else if !slices.Contains(free, p.key.name) && key.Match(append([]byte(", "), p.value...)) {
					odd++
					t.Errorf("%s: the value of %s is %q", row[op], p.key.name, p.value)
				}
			}
		}
	}
	t.Logf("%d Details, %d parts; of operations without keys %v; text without a key %v; odd values %d", rows, parts, unknown, whole, odd)
	if len(unknown) > 0 || len(whole) > 0 {
		t.Error("not everything was split")
	}
}

func TestSplitDetailAllocates(t *testing.T) {
	op, d := []byte("ReadFile"), []byte("Offset: 666,112, Length: 32, I/O Flags: Non-cached, Paging I/O, Priority: Normal")
	dst := make([]detailPart, 0, 8)
	if n := testing.AllocsPerRun(100, func() { dst, _ = splitDetail(dst[:0], op, d) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzSplitDetail(f *testing.F) {
	f.Add("Process Start", "Parent PID: 8, Command line: x, Current directory: y, Environment: \r;\tA=B")
	f.Add("QueryDirectory", "0: ., 1: .., FileInformationClass: x, 3: y")
	f.Fuzz(func(t *testing.T, op, d string) {
		parts, ok := splitDetail(nil, []byte(op), []byte(d))
		if ok && joinDetail(parts, []byte(d)) != d {
			t.Errorf("%q: the parts are %v", d, parts)
		}
		b := &event.Batch{}
		b.Next()
		newDetailPutter(event.Set{}, &calendar{}).put(b, []byte(op), bytes.Clone([]byte(d)))
	})
}
