package list

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"unicode/utf16"

	"culprit/internal/format/formattest"
)

func TestFormat(t *testing.T) { formattest.Run(t, Format) }
func FuzzFormat(f *testing.F) { formattest.Fuzz(f, Format) }
func BenchmarkFormat(b *testing.B) {
	var s strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&s, "  \"%d.%d.%d.0/24\",\n", 11+i>>16, i>>8&255, i&255)
	}
	formattest.Bench(b, Format, []byte(s.String()))
}

func TestLine(t *testing.T) {
	f := func(line, want string) {
		t.Helper()
		p := parser{begun: true}
		var got []string
		for _, it := range p.line(line) {
			if it.entry == nil {
				got = append(got, "BAD "+it.bad)
				continue
			}
			got = append(got, it.entry.Kind.String()+" "+it.entry.Text)
		}
		if s := strings.Join(got, "; "); s != want {
			t.Errorf("%q\n got %s\nwant %s", line, s, want)
		}
	}
	f("", "")
	f("   54.241.191.128/26", "net 54.241.191.128/26")
	f(`"54.241.191.128/26",`, "net 54.241.191.128/26")
	f(`>> "54.241.191.128/26"`, "net 54.241.191.128/26")
	f(`$duo = @("1.2.3.4", '5.6.7.8')`, "ip 1.2.3.4; ip 5.6.7.8")
	f(`["1.2.3.4","2001:db8::/32"]`, "ip 1.2.3.4; net 2001:db8::/32")
	f("1[.]2[.]3[.]4 hxxps://evil[.]example[.]com/a?b=c", "ip 1.2.3.4; name evil.example.com")
	f("1.2.3[.4", "ip 1.2.3.4")
	f("2001[:]db8[:][:]1", "ip 2001:db8::1")
	f("[2001:db8::1]:443", "ip 2001:db8::1")
	f("1.2.3.4:443", "ip 1.2.3.4")
	f("example.com:8443", "name example.com")
	f("http://user@example.com:80/x", "name example.com")
	f("1.2.3.0-1.2.3.9", "range 1.2.3.0-1.2.3.9")
	f("1.2.3.0 - 1.2.3.9", "range 1.2.3.0-1.2.3.9")
	f("1.2.3.0 – 1.2.3.9", "range 1.2.3.0-1.2.3.9")
	f("1.2.3.0 to 1.2.3.9, 8.8.8.8", "range 1.2.3.0-1.2.3.9; ip 8.8.8.8")
	f("1.2.3.4-9", "range 1.2.3.4-9")
	f("1.2.3.9-1.2.3.4", "BAD a range that ends before it begins: 1.2.3.9-1.2.3.4")
	f("1.2.3.9-::1", "BAD a range from one kind of address to the other: 1.2.3.9-::1")
	f("10.0.0.0/255.255.0.0 10.1.* 10.*.*.*", "net 10.0.0.0/255.255.0.0; net 10.1.*; net 10.*.*.*")
	f("permit 10.0.0.0 255.255.0.0 any", "net 10.0.0.0/255.255.0.0")
	f("10.0.0.0 /24 10.0.1.0 /x", "net 10.0.0.0/24; ip 10.0.1.0")
	f("10.0.0.0/255.0.255.0", "BAD not an address, range or name: 10.0.0.0/255.0.255.0")
	f("1.10.16.0/20 ; SBL256894", "net 1.10.16.0/20")
	f("1.2.3.4;5.6.7.8", "ip 1.2.3.4; ip 5.6.7.8")
	f("1.2.3.4;5.6.7.999", "ip 1.2.3.4; BAD not an address, range or name: 5.6.7.999")
	f("; 1.2.3.4", "")
	f("# 1.2.3.4", "")
	f("// 1.2.3.4", "")
	f("1.2.3.4 // see http://x.example", "ip 1.2.3.4")
	f("US-West (Oregon.) 1.2.3.4", "ip 1.2.3.4")
	f("only words here", "BAD not an address, range or name: only words here")
	f("10.0.0.300", "BAD not an address, range or name: 10.0.0.300")
	f("10.0.0.0/33", "BAD not an address, range or name: 10.0.0.0/33")
	f("*.duosecurity.com .example.org api-*.example.com", "name *.duosecurity.com; name .example.org; name api-*.example.com")
	f("*", "BAD not an address, range or name: *")
	f("*.*", "BAD a wildcard that matches everything: *.*")
	f("müller.example", "BAD a name with letters beyond ASCII: write it as DNS does, in its xn-- form: müller.example")
	f("fe80::1%eth0 ::ffff:1.2.3.0/120", "ip fe80::1%eth0; net ::ffff:1.2.3.0/120")
	f("d41d8cd98f00b204e9800998ecf8427e", "hash d41d8cd98f00b204e9800998ecf8427e")
	f("- 1.2.3.4", "ip 1.2.3.4")
	f("\ufeff1.2.3.4", "ip 1.2.3.4")
	f("\u201c1.2.3.4\u201d\u00a05.6.7.8", "ip 1.2.3.4; ip 5.6.7.8")
	f(strings.Repeat("1.2/", 40), "BAD not an address, range or name: "+strings.Repeat("1.2/", 19)+"1...")
}

func read(t *testing.T, text string) *List {
	t.Helper()
	l := new(List)
	if err := l.Read("duo.txt", strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	return l
}

func TestMatch(t *testing.T) {
	l := read(t, "10.0.0.0/8\n10.1.0.0/16\n10.1.2.3\n1.2.3.200-1.2.4.10\n2001:db8::/32\n*.duosecurity.com\n.example.org\nlogin.example.com\napi-*.example.net")
	addr := func(a string, line int64) {
		t.Helper()
		e, ok := l.MatchAddr(netip.MustParseAddr(a))
		if ok != (line > 0) || ok && e.Line != line {
			t.Errorf("MatchAddr(%s) = %v, want line %d", a, e, line)
		}
	}
	addr("10.9.9.9", 1)
	addr("10.1.9.9", 2)
	addr("10.1.2.3", 3)
	addr("::ffff:10.1.2.3", 3)
	addr("1.2.3.199", 0)
	addr("1.2.3.200", 4)
	addr("1.2.3.255", 4)
	addr("1.2.4.10", 4)
	addr("1.2.4.11", 0)
	addr("2001:db8:1::1", 5)
	addr("2001:db9::1", 0)
	name := func(n string, line int64) {
		t.Helper()
		e, ok := l.MatchName(n)
		if ok != (line > 0) || ok && e.Line != line {
			t.Errorf("MatchName(%s) = %v, want line %d", n, e, line)
		}
	}
	name("api.duosecurity.com", 6)
	name("A.B.DuoSecurity.com.", 6)
	name("duosecurity.com", 0)
	name("notduosecurity.com", 0)
	name("example.org", 7)
	name("x.example.org", 7)
	name("login.example.com", 8)
	name("x.login.example.com", 0)
	name("api-12.example.net", 9)
	name("api.example.net", 0)
	name("", 0)
}

func TestCount(t *testing.T) {
	l := read(t, "10.0.0.0/24 10.0.0.128/25 10.0.0.7 10.0.1.0 - 10.0.1.9 2001:db8::/32 ::1 example.com")
	if got, want := l.Count(), (Counts{Ranges: 4, Ranges6: 1, Singles: 2, Names: 1, Addresses: 266}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := read(t, "0.0.0.0/0").Count().Addresses; got != 1<<32 {
		t.Errorf("everything is %d addresses", got)
	}
}

func TestNearest(t *testing.T) {
	l := read(t, "10.0.0.0/24 10.0.2.0/24 2001:db8::/64")
	f := func(want string, seen ...string) {
		t.Helper()
		var as []netip.Addr
		for _, s := range seen {
			as = append(as, netip.MustParseAddr(s))
		}
		if got, ok := l.Nearest(as); ok != (want != "") || ok && got.String() != want {
			t.Errorf("Nearest(%v) = %v, want %s", seen, got, want)
		}
	}
	f("10.0.1.250", "9.0.0.0", "10.0.1.9", "10.0.1.250")
	f("10.0.3.0", "10.0.3.0", "11.0.0.0")
	f("9.255.255.255", "9.255.255.255", "255.0.0.0")
	f("2001:db8:0:1::", "2001:db9::", "2001:db8:0:1::")
	f("")
}

func TestPrefixes(t *testing.T) {
	f := func(from, to string, want int) {
		t.Helper()
		a, b := netip.MustParseAddr(from), netip.MustParseAddr(to)
		all := prefixes(a, b)
		if len(all) != want || all[0].Addr() != a || lastAddr(all[len(all)-1]) != b {
			t.Errorf("%s-%s: %d prefixes %v, want %d", from, to, len(all), all, want)
		}
		for i := 1; i < len(all); i++ {
			if lastAddr(all[i-1]).Next() != all[i].Addr() {
				t.Errorf("%s-%s: a gap or overlap before %s", from, to, all[i])
			}
		}
	}
	f("10.0.0.0", "10.0.0.255", 1)
	f("10.0.0.1", "10.0.0.1", 1)
	f("10.0.0.1", "10.0.0.254", 14)
	f("0.0.0.0", "255.255.255.255", 1)
	f("0.0.0.1", "255.255.255.254", 62)
	f("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1)
	f("::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", 254)
}

func TestRead(t *testing.T) {
	l := new(List)
	if err := l.Read("duo.txt", strings.NewReader("IPAddressToString\n1.2.3.4\n\n10.0.0.300\nd41d8cd98f00b204e9800998ecf8427e\n")); err != nil {
		t.Fatal(err)
	}
	want := "[duo.txt:4: not an address, range or name: 10.0.0.300 duo.txt:5: a file's hash: no connection has one: d41d8cd98f00b204e9800998ecf8427e]"
	if got := fmt.Sprint(l.Bad); got != want || l.Hashes != 1 || l.Len() != 1 {
		t.Errorf("got %s, %d hashes, %d entries", got, l.Hashes, l.Len())
	}
	f := func(text, want string) {
		t.Helper()
		if err := new(List).Read("duo.txt", strings.NewReader(text)); err == nil || err.Error() != want {
			t.Errorf("%q: %v", text, err)
		}
	}
	f("", "no address, range or name in it")
	f("# nothing\n", "no address, range or name in it")
	f("a\n10.0.0.300\n", "no address, range or name in it; line 2 is not an address, range or name: 10.0.0.300")
}

func TestReadUTF16(t *testing.T) {
	text := "\ufeffIPAddressToString\r\n1.2.3.4\r\n# \u0a0a \U0001f600 \u0a00\n5.6.7.8"
	for _, o := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		var b []byte
		for _, u := range utf16.Encode([]rune(text)) {
			b = o.AppendUint16(b, u)
		}
		l := new(List)
		if err := l.Read("duo.txt", strings.NewReader(string(b))); err != nil || l.Len() != 2 || len(l.Bad) != 0 || l.Entries[1].Line != 4 {
			t.Errorf("%v: %v, %d entries, bad %v", o, err, l.Len(), l.Bad)
		}
		if !match(b) {
			t.Errorf("%v: not claimed", o)
		}
	}
}

func TestAdd(t *testing.T) {
	f := func(arg, want string) {
		t.Helper()
		l := new(List)
		err := l.Add(arg)
		if (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("Add(%q): %v, want %q", arg, err, want)
		}
	}
	f("10.0.5.13", "")
	f("10.0.0.0/8", "")
	f("10.0.0.0 - 10.0.0.9", "")
	f("FILESERVER", "")
	f("WORKSTATION5", "")
	f("1.2.3.4,5.6.7.8", "")
	f("*.duosecurity.com", "")
	f("10.0.5.300", "not an address, range or name")
	f("*", "a wildcard that matches everything")
	f("d41d8cd98f00b204e9800998ecf8427e", "a file's hash: no connection has one")
	f("", "not an address, range or name")
}

func TestMatchFormat(t *testing.T) {
	f := func(head string, want bool) {
		t.Helper()
		if match([]byte(head)) != want {
			t.Errorf("match(%.60q) = %t", head, !want)
		}
	}
	f("1.2.3.4\n", true)
	f("# comment\n\n  \"1.2.3.0/26\",\n", true)
	f("example.com\nexample.org\n", true)
	f("", false)
	f("# only comments\n", false)
	f("{\"ip\":\"1.2.3.4\"}\n", false)
	f("#separator \\x09\n#fields\tts\tid.orig_h\n1500000000.1\t10.0.0.1\n", false)
	f("\"Time of Day\",\"Process Name\",\"PID\",\"Operation\",\"Path\"\n\"08:50:00.1\",\"svchost.exe\",\"4\",\"TCP Send\",\"a.b:1 -> c.d:2\"\n", false)
	f("Aug  5 08:50:00 host sshd[123]: Accepted password for root from 1.2.3.4 port 22\n", false)
	f("GIF89a\x00\x001.2.3.4", false)
	f("<Event><IP>1.2.3.4</IP></Event>", false)
	f("time,src,dst\n12:00:01.5,10.0.0.1,10.0.0.2\n", false)
}
