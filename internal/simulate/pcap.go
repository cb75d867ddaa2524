package simulate

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"io"
	"net/netip"
	"slices"
)

const ethernet = 1 // link type

// WritePcap writes the capture as a classic pcap file, with times in nanoseconds or microseconds.
func (c *Case) WritePcap(w io.Writer, nanos bool) error {
	bw := bufio.NewWriterSize(w, 1<<16)
	le := binary.LittleEndian
	magic, unit := uint32(0xa1b2c3d4), int64(1000)
	if nanos {
		magic, unit = 0xa1b23c4d, 1
	}
	b := le.AppendUint32(nil, magic)
	b = le.AppendUint16(b, 2)
	b = le.AppendUint16(b, 4)
	b = append(b, make([]byte, 8)...)
	b = le.AppendUint32(b, uint32(cmp.Or(c.Snap, 262144)))
	b = le.AppendUint32(b, ethernet)
	if _, err := bw.Write(b); err != nil {
		return err
	}
	for i := range c.Packets {
		t := c.Wire(c.Packets[i].At).UnixNano()
		b = le.AppendUint32(b[:0], uint32(t/1e9))
		b = le.AppendUint32(b, uint32(t%1e9/unit))
		b = append(b, make([]byte, 8)...)
		b = c.appendFrame(b, &c.Packets[i], i+1)
		le.PutUint32(b[12:], uint32(len(b)-16))
		b = b[:c.snapped(len(b)-16)+16]
		le.PutUint32(b[8:], uint32(len(b)-16))
		if _, err := bw.Write(b); err != nil {
			return err
		}
	}
	return bw.Flush()
}

// snapped is how many of a frame's bytes the capture kept.
func (c *Case) snapped(n int) int {
	if c.Snap > 0 {
		return min(n, c.Snap)
	}
	return n
}

// PcapngOptions says what a pcapng file has beside the packets.
type PcapngOptions struct {
	Nanos bool // times in nanoseconds, not microseconds
	Names bool // a name resolution block with the names that DNS told of, as Wireshark saves it
}

// WritePcapng writes the capture as dumpcap and Wireshark do.
func (c *Case) WritePcapng(w io.Writer, o PcapngOptions) error {
	bw := bufio.NewWriterSize(w, 1<<16)
	le := binary.LittleEndian
	unit := int64(1000)
	if o.Nanos {
		unit = 1
	}
	// A bufio.Writer keeps its first error for Flush, so that is the only one to look at.
	putBlock(bw, blockSection, sectionBody())
	putBlock(bw, blockInterface, interfaceBody(o.Nanos))
	var b []byte
	for i := range c.Packets {
		b = le.AppendUint32(b[:0], 0)
		t := uint64(c.Wire(c.Packets[i].At).UnixNano() / unit)
		b = le.AppendUint32(b, uint32(t>>32))
		b = le.AppendUint32(b, uint32(t))
		b = append(b, make([]byte, 8)...)
		b = c.appendFrame(b, &c.Packets[i], i+1)
		le.PutUint32(b[16:], uint32(len(b)-20))
		b = b[:c.snapped(len(b)-20)+20]
		le.PutUint32(b[12:], uint32(len(b)-20))
		putBlock(bw, blockPacket, b)
	}
	if o.Names {
		putBlock(bw, blockNames, c.nameBlock())
	}
	putBlock(bw, blockStatistics, c.statistics(unit))
	return bw.Flush()
}

// Block types of pcapng.
const (
	blockSection    = 0x0a0d0d0a
	blockInterface  = 1
	blockNames      = 4
	blockStatistics = 5
	blockPacket     = 6
)

// putBlock writes a block around its body.
func putBlock(w *bufio.Writer, kind uint32, body []byte) {
	var edge [8]byte
	size := uint32(12 + (len(body)+3)/4*4)
	binary.LittleEndian.PutUint32(edge[:], kind)
	binary.LittleEndian.PutUint32(edge[4:], size)
	_, _ = w.Write(edge[:])
	_, _ = w.Write(body)
	_, _ = w.Write(make([]byte, int(size)-12-len(body)))
	_, _ = w.Write(edge[4:])
}

// sectionBody is the body of a section header: byte order, version 1.0, length unknown, who wrote it where.
func sectionBody() []byte {
	section := binary.LittleEndian.AppendUint32(nil, 0x1a2b3c4d)
	section = append(section, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	section = appendOption(section, 2, "Intel(R) Core(TM) i7-1065G7 CPU @ 1.30GHz (with SSE4.2)")
	section = appendOption(section, 3, "64-bit Windows 10 (21H2), build 19044")
	section = appendOption(section, 4, "Dumpcap (Wireshark) 3.6.7 (v3.6.7-0-g4a304d7ec222)")
	return append(section, 0, 0, 0, 0)
}

// interfaceBody is the body of the description of the one network card.
func interfaceBody(nanos bool) []byte {
	card := []byte{ethernet, 0, 0, 0, 0, 0, 4, 0}
	card = appendOption(card, 2, `\Device\NPF_{5D0F1C0B-93B5-4C43-8C36-6E1E7D0B4B5D}`)
	card = appendOption(card, 3, "Wi-Fi")
	resolution := "\x06"
	if nanos {
		resolution = "\x09"
	}
	card = appendOption(card, 9, resolution)
	card = appendOption(card, 12, "64-bit Windows 10 (21H2), build 19044")
	return append(card, 0, 0, 0, 0)
}

func appendOption(b []byte, code uint16, value string) []byte {
	b = binary.LittleEndian.AppendUint16(b, code)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(value)))
	b = append(b, value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// nameBlock is the body of a name resolution block: for each address the names of those who were asked for.
func (c *Case) nameBlock() []byte {
	var b []byte
	var done []netip.Addr
	for i := range c.Lookups {
		l := &c.Lookups[i]
		if l.Type != typeA || l.Conn < 0 || !c.Connections[l.Conn].Captured() || slices.Contains(done, l.Addr) {
			continue
		}
		done = append(done, l.Addr)
		b = appendOption(b, 1, string(l.Addr.AsSlice())+l.Name+"\x00")
	}
	return append(b, 0, 0, 0, 0)
}

// statistics is the body of an interface statistics block.
func (c *Case) statistics(unit int64) []byte {
	le := binary.LittleEndian
	b := le.AppendUint32(nil, 0)
	end := uint64(c.Wire(c.Duration).UnixNano() / unit)
	b = le.AppendUint32(b, uint32(end>>32))
	b = le.AppendUint32(b, uint32(end))
	b = appendOption(b, 4, string(le.AppendUint64(nil, uint64(len(c.Packets)))))
	b = appendOption(b, 5, string(make([]byte, 8)))
	return append(b, 0, 0, 0, 0)
}
