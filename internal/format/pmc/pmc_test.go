package pmc

import (
	"bytes"
	"os"
	"testing"

	"culprit/internal/format/formattest"
)

func TestFormat(t *testing.T) { formattest.Run(t, Format) }

func FuzzFormat(f *testing.F) { formattest.Fuzz(f, Format) }

func BenchmarkFormat(b *testing.B) {
	data, err := os.ReadFile("testdata/procmon-pmc/full.pmc")
	if err != nil {
		b.Fatal(err)
	}
	formattest.Bench(b, Format, bytes.Repeat(data, 1000))
}

func TestQuery(t *testing.T) {
	f := func(want string, rules ...rule) {
		t.Helper()
		if got, left := query(rules); got != want || left > 0 && want != "" {
			t.Errorf("%s (%d left out), want %s", got, left, want)
		}
	}
	name := func(relation uint32, value string, include bool) rule {
		return rule{column: 40053, relation: relation, value: value, include: include}
	}
	path := func(relation uint32, value string, include bool) rule {
		return rule{column: 40071, relation: relation, value: value, include: include}
	}
	f("")
	f(`process.name:"a.exe"`, name(0, "a.exe", true))
	f(`(process.name:"a.exe" OR process.name:b*) AND procmon.path:*\\x\ y* AND NOT procmon.path:*$Mft`,
		name(0, "a.exe", true), path(6, `\x y`, true), name(4, "b", true), path(5, "$Mft", false))
	f(`process.name:"a"`, name(1, "a", false)) // not what is not a
	f(`NOT process.name:"a"`, name(1, "a", true))
	f(`NOT process.name:*a*`, name(7, "a", true))
	f(`(process.name:"b" OR (*:* AND NOT process.name:"a"))`, name(0, "b", true), name(1, "a", true))
	f(`process.pid:>4 AND NOT process.pid:<2`, rule{column: 40054, relation: 3, value: "4", include: true}, rule{column: 40054, relation: 2, value: "2"})
	f("", rule{column: 1, value: "x", include: true}, name(9, "x", true))
}
