package saved

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"culprit/internal/format"
	"culprit/internal/format/formattest"
)

func TestTCPView(t *testing.T)    { formattest.Run(t, TCPView) }
func TestPacketList(t *testing.T) { formattest.Run(t, PacketList) }
func TestStack(t *testing.T)      { formattest.Run(t, Stack) }

func FuzzTCPView(f *testing.F)    { formattest.Fuzz(f, TCPView) }
func FuzzPacketList(f *testing.F) { formattest.Fuzz(f, PacketList) }
func FuzzStack(f *testing.F)      { formattest.Fuzz(f, Stack) }

func BenchmarkTCPView(b *testing.B) { formattest.Bench(b, TCPView, many(b, "tcpview-csv/plain.csv")) }

func BenchmarkPacketList(b *testing.B) {
	formattest.Bench(b, PacketList, many(b, "wireshark-csv/relative.csv"))
}
func BenchmarkStack(b *testing.B) { formattest.Bench(b, Stack, many(b, "procmon-stack/stack.csv")) }

// many gives a file over and over.
func many(b *testing.B, name string) []byte {
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		b.Fatal(err)
	}
	return bytes.Repeat(data, 4000)
}

// The counts have the thousands separators of the machine, which in a CSV without quotes look like borders.
func TestSplitCounts(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		var groups [maxGroups][]byte
		c, ok := splitCounts([]byte(in), &groups)
		got := string(bytes.Join(c[:], []byte{' '}))
		if !ok {
			got = "?"
		}
		if got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
	f("6,6,2,575,4,794", "6 6 2,575 4,794")
	f("1,51,343,1,049,068", "1 51 343 1,049,068")
	f(",29,,371,633", " 29  371,633")
	f("3,4,870,6,644", "3 4 870 6,644")
	f("1,1,373,776", "1 1 373 776")
	f("6,5,11,673,258", "?") // 11,673 and 258, or 11 and 673,258
	f("1,2,3", "?")
	f("6,6,2.575,4.794", "?") // no thousands of ours
	f(",,,", "   ")
	f(strings.Repeat("1,", 100), "?")
}

// The tables of a real case: every row is used, and what is known of them by hand is what is read.
func TestCorpus(t *testing.T) {
	f := func(ft *format.Format, name string, events, roles int) formattest.Outcome {
		t.Helper()
		r, err := os.Open(formattest.Corpus(t, name))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		o := formattest.Read(t, ft, name, r, format.Options{})
		if len(o.Lines) != events || len(o.Roles) != roles || len(o.Bad) > 0 || o.Err != nil {
			t.Errorf("%s: %d events, %d with a role, bad %v, %v; want %d and %d", name, len(o.Lines), len(o.Roles), o.Bad, o.Err, events, roles)
		}
		return o
	}
	f(TCPView, "misc/phishing-tcpview-1.csv", 85, 59)
	o := f(TCPView, "misc/phishing-tcpview.csv", 52, 49)
	if !strings.Contains(o.String(), `"process":{"name":"ScreenConnect.ClientService.exe","pid":2108}`) {
		t.Error("the connection of the case is not there")
	}
	f(PacketList, "misc/phishing-dns_results.csv", 434, 95)
	f(PacketList, "misc/phishing-http_results.csv", 279, 0)
	f(PacketList, "misc/phishing-tls_results.csv", 6041, 133)
	f(Stack, "procmon/stack-export.csv", 36, 0)
}
