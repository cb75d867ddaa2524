package pcap

import (
	"fmt"
	"testing"
	"time"

	"culprit/internal/format/formattest"
)

// traffic is 20,000 packets of 360 bytes on average in 1,000 connections at a time, a tenth of them asking DNS first.
func traffic() []byte {
	var ws []written
	body := string(make([]byte, 1300))
	for i := 0; len(ws) < 20000; i++ {
		from := fmt.Sprintf("10.0.%d.%d:%d", i/50%4, i%50+1, 1024+i)
		to := fmt.Sprintf("93.184.%d.%d:443", i/200%250, i%200)
		at := time.Duration(i) * 10 * time.Millisecond
		if i%10 == 0 {
			name := fmt.Sprintf("host%d.example.com", i)
			ws = append(ws, timed(at, onEther, udp(from, "10.0.0.1:53", dnsQuery(i, name, dnsA)),
				udp("10.0.0.1:53", from, dnsAnswer(i, name, dnsA, dnsRR(question, dnsA, []byte{93, 184, byte(i / 200), byte(i)}))))...)
		}
		hello := clientHello(fmt.Sprintf("host%d.example.com", i), 200)
		ws = append(ws, timed(at, onEther, conversation(from, to, i*1000, i*2000, hello, body, "x", body, "y", body, "", "", "", "")...)...)
	}
	return writePCAP(little, magicMicro, linkEthernet, ws[:20000]...)
}

func BenchmarkPCAP(b *testing.B) { formattest.Bench(b, PCAP, traffic()) }
