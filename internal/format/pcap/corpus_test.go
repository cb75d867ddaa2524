package pcap

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"culprit/internal/event"
	"culprit/internal/format"
	"culprit/internal/format/formattest"
)

// count walks a capture's records and gives the number of packets and how many of their bytes are there. It knows nothing
// but lengths.
func count(t *testing.T, d []byte) (packets int, captured int64) {
	if bytes.HasPrefix(d, []byte{0x0a, 0x0d, 0x0d, 0x0a}) {
		for len(d) >= 12 {
			size := int(binary.LittleEndian.Uint32(d[4:]))
			if kind := d[0]; kind == 6 && d[1]|d[2]|d[3] == 0 {
				packets++
				captured += int64(binary.LittleEndian.Uint32(d[20:]))
			}
			d = d[size:]
		}
		return packets, captured
	}
	for d = d[24:]; len(d) >= 16; packets++ {
		size := int(binary.LittleEndian.Uint32(d[8:]))
		captured += int64(size)
		d = d[16+size:]
	}
	return packets, captured
}

// TestCorpus reads real captures: every packet must be there, and in a flow unless it isn't IP.
func TestCorpus(t *testing.T) {
	dir := filepath.Dir(filepath.Dir(formattest.Corpus(t, "otrf/LSASS_campaign_01")))
	for _, pattern := range []string{"otrf/LSASS_campaign_01/*pcapng.zip", "otrf/*/network.zip", "otrf/Log4Shell/pcap*.zip", "pcapng/*.pcapng"} {
		names, _ := filepath.Glob(filepath.Join(dir, pattern))
		if len(names) == 0 {
			t.Error("nothing like", pattern)
		}
		for _, name := range names {
			for _, in := range format.Expand(name, nil) {
				t.Run(strings.TrimPrefix(in.Path, dir), func(t *testing.T) { checkCapture(t, in) })
			}
		}
	}
}

func checkCapture(t *testing.T, in format.Input) {
	src, err := in.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	data, err := io.ReadAll(src.Stream())
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.WriteFile(copied, data, 0o600); err != nil {
		t.Fatal(err)
	}
	want, captured := count(t, data)
	var flows, counted, payload int64
	by := map[string]int{}
	packets, bad := read(t, copied, func(b *event.Batch, i int) {
		key := string(b.Str(event.EventDataset, i))
		if key != "pcap.flow" {
			by[key+" "+string(b.Str(event.NameFrom, i))]++
			return
		}
		flows++
		counted += b.Int(event.NetworkPackets, i)
		payload += b.Int(event.FlowPayloadSource, i) + b.Int(event.FlowPayloadDestination, i)
		by[string(b.Str(event.NetworkTransport, i))+" "+string(b.Str(event.FlowInitiator, i))+" "+string(b.Str(event.FlowState, i))]++
	})
	t.Logf("%d bytes, %d packets, %d captured bytes, %d flows of %d packets and %d payload bytes, %d bad, %v", len(data), packets, captured, flows, counted, payload, len(bad), by)
	if packets != want {
		t.Errorf("%d packets, want %d", packets, want)
	}
	if len(bad) > 0 {
		t.Error(bad)
	}
	if counted > int64(packets) || payload > captured && captured > 0 {
		t.Error("more is counted than there is")
	}
}
