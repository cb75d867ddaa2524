package procmon

import (
	"fmt"
	"strings"
	"testing"
)

func TestNetPath(t *testing.T) {
	show := func(e endpoint) string {
		if e.addr.IsValid() {
			return fmt.Sprintf("%s %d", e.addr, e.port)
		}
		return fmt.Sprintf("%s %d", e.domain, e.port)
	}
	f := func(path, want string) {
		t.Helper()
		udp := strings.HasPrefix(path, "udp ")
		p, ok := parseNetPath(path[4:], udp)
		got := "none"
		if ok {
			got = show(p.local) + " | " + show(p.remote)
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", path, got, want)
		}
	}
	f("tcp WIN-5.localdomain:49383 -> fra15s17-in-f3.1e100.net:https", "win-5.localdomain 49383 | fra15s17-in-f3.1e100.net 443")
	f("tcp localhost:1228 -> Verizon_router.home.:2555", "localhost 1228 | verizon_router.home 2555")
	f("udp 10.0.0.1:61610 -> 192.168.127.2:domain", "10.0.0.1 61610 | 192.168.127.2 53")
	f("udp ff02::1:3:llmnr -> LAB7:60495", "ff02::1:3 5355 | lab7 60495")
	f("tcp ::1:50000 -> ::1:https", "::1 50000 | ::1 443")
	f("tcp :::0 -> :::0", ":: 0 | :: 0")
	f("tcp fe80:0:0:0:1:2:3:4:5000 -> 2001:db8:0:0:0:0:0:1:443", "fe80::1:2:3:4 5000 | 2001:db8::1 443")
	f("tcp ::ffff:10.0.0.1:80 -> 0:0:0:0:0:ffff:a00:2:81", "10.0.0.1 80 | 10.0.0.2 81")
	f("tcp fe80::1%12:80 -> [fe80::2%eth0]:81", "fe80::1 80 | fe80::2 81")
	f("tcp a:MICROSOFT-DS -> b:ms-do", "a 445 | b 7680")
	f("tcp a:1 -> b:no-such-name", "a 1 | b -1")
	f("tcp a:1 -> b:wsd", "a 1 | b -1")      // 5357 or 5358
	f("tcp a:1 -> b:http-alt", "a 1 | b -1") // 591, 8008 or 8080
	f("tcp a:cmd -> b:efs", "a 514 | b 520")
	f("udp a:who -> b:router", "a 513 | b 520")
	f("udp a:1 -> b:http", "a 1 | b 80") // listed for TCP only
	f("tcp a:3com-tsmux -> b:9pfs", "a 106 | b 564")
	f("tcp a:65535 -> b:65536", "a 65535 | b -1")
	f("tcp a:1 -> b:", "none")
	f("tcp a:1 -> :1", "none")
	f("tcp a:1", "none")
	f("tcp a -> b", "none")
	f("tcp  -> ", "none")
	f(`tcp C:\a -> b:1`, "none")
	f("tcp 1:2:3:4 -> b:1", "none")
}

func TestNetPathsForget(t *testing.T) {
	var n netPaths
	for i := range 3 * maxPaths {
		p, ok := n.read(fmt.Appendf(nil, "a:%d -> b:odd%d", i, i%40), i%2 == 0)
		if !ok || p.local.port != int32(i) {
			t.Fatalf("path %d: %v", i, p)
		}
	}
	if _, ok := n.read([]byte(strings.Repeat("a", 700)+":1 -> b:1"), false); ok {
		t.Error("a name of 700 letters is taken")
	}
	if len(n.known[0]) > maxPaths || len(n.known[1]) > maxPaths || len(n.strange) != 20 {
		t.Errorf("%d and %d paths, %d strange names are kept", len(n.known[0]), len(n.known[1]), len(n.strange))
	}
}

func TestServices(t *testing.T) {
	if n := len(services()); n < 600 {
		t.Errorf("%d services", n)
	}
	for name, s := range services() {
		if name != strings.ToLower(name) {
			t.Errorf("%q isn't in lower case", name)
		}
		if s.tcp > 0 && s.udp > 0 && s.tcp != s.udp && name != "who" {
			t.Logf("%s: %d/tcp, %d/udp", name, s.tcp, s.udp)
		}
	}
}

func TestNumber(t *testing.T) {
	f := func(cell string, want int64) {
		t.Helper()
		got, _, ok := number([]byte(cell))
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("%q: got %d, want %d", cell, got, want)
		}
	}
	f("32, seqnum: 0", 32)
	f("1,350, seqnum: 0", 1350)
	f("1.350, seqnum: 0", 1350)
	f("1 350, seqnum: 0", 1350)
	f("1'350", 1350)
	f("1\u2019350", 1350)
	f("1\u00a0350\u00a0000", 1350000)
	f("13\u202f385\u202f728, Priority", 13385728)
	f("12,34,567", 1234567)
	f("1, 350", 1)
	f("1,3500", 1)
	f("1,", 1)
	f("0", 0)
	f("", -1)
	f(",350", -1)
	f("9999999999999999999", -1)
}

func TestParseStart(t *testing.T) {
	f := func(detail, want string) {
		t.Helper()
		s := parseStart([]byte(detail))
		if got := fmt.Sprintf("%d|%s|%s", s.parent, s.command, s.directory); got != want {
			t.Errorf("%q: got %s, want %s", detail, got, want)
		}
	}
	f("Parent PID: 8, Command line: consent.exe 8 336, Current directory: C:\\W\\, Environment: \r;\tA=B", `8|consent.exe 8 336|C:\W\`)
	f(`Parent PID: 8, Command line: "a b" , Current directory: C:\, Environment: `, `8|"a b"|C:\`)
	f(`Parent PID: 8, Command line: x, Current directory: y, Environment: z, Current directory: C:\, Environment: `+"\n;\tA=, Environment: q",
		`8|x, Current directory: y, Environment: z|C:\`)
	f("Parent PID: 8, Command line: x", "8|x|")
	f("Parent PID: 8", "8||")
	f("Parent PID: ", "-1||")
	f("PID: 8, Command line: x", "-1||")
	f("", "-1||")
}
