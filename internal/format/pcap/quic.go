package pcap

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"culprit/internal/event"
)

// QUIC's first packets are encrypted with keys that follow from what they say themselves (RFC 9001 5.2, version 2: RFC 9369
// 3.3), so that anyone can read the ClientHello in them. An Initial packet (RFC 9000 17.2.2): a byte of flags, version,
// the connection IDs of destination and source, each with its length before it, a token, a length, a packet number; the
// flags' low bits and the packet number are masked with a cipher of 16 bytes that stand 4 behind the number's begin.
//
// The ClientHello can be spread over several packets, in pieces of any order.

const (
	quic1 = 0x00000001
	quic2 = 0x6b3343cf

	quicSample = 16

	// Keys take time to derive, so a datagram and a direction that hold nothing but more of the same are given up.
	maxQUICPackets   = 8
	maxQUICDatagrams = 64
)

// A quicVersion is what differs between versions.
type quicVersion struct {
	salt   string
	labels [3]string // key, IV, header protection
	typ    byte      // of an Initial packet
}

func quicVersionOf(v uint32) (quicVersion, bool) {
	switch v {
	case quic1:
		return quicVersion{"\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a", [3]string{"quic key", "quic iv", "quic hp"}, 0}, true
	case quic2:
		return quicVersion{"\x0d\xed\xe3\xde\xf7\x00\xa6\xdb\x81\x93\x81\xbe\x6e\x26\x9d\xcb\xf9\xbd\x2e\xd9", [3]string{"quicv2 key", "quicv2 iv", "quicv2 hp"}, 1}, true
	}
	return quicVersion{}, false
}

// quicKeys read what a client sends first.
type quicKeys struct {
	aead cipher.AEAD
	mask cipher.Block
	iv   []byte
}

// deriveQUIC makes the client's keys from the connection ID that it chose for the server.
func deriveQUIC(v quicVersion, dcid []byte) (k quicKeys, err error) {
	initial, err := hkdf.Extract(sha256.New, dcid, []byte(v.salt))
	if err != nil {
		return k, err
	}
	secret, err := expandLabel(initial, "client in", sha256.Size)
	if err != nil {
		return k, err
	}
	var out [3][]byte
	for i, label := range v.labels {
		size := 16
		if i == 1 {
			size = 12
		}
		if out[i], err = expandLabel(secret, label, size); err != nil {
			return k, err
		}
	}
	block, err := aes.NewCipher(out[0])
	if err != nil {
		return k, err
	}
	if k.aead, err = cipher.NewGCM(block); err != nil {
		return k, err
	}
	k.iv = out[1]
	k.mask, err = aes.NewCipher(out[2])
	return k, err
}

// expandLabel is HKDF-Expand-Label of RFC 8446 7.1 without a context.
func expandLabel(secret []byte, label string, size int) ([]byte, error) {
	label = "tls13 " + label
	info := string([]byte{byte(size >> 8), byte(size), byte(len(label))}) + label + "\x00"
	return hkdf.Expand(sha256.New, secret, info, size)
}

// A quicInitial is an Initial packet as far as it can be read without keys.
type quicInitial struct {
	version quicVersion
	dcid    []byte
	packet  []byte // from its flags to its end
	number  int    // where its number begins
}

// parseQUIC takes the first packet off a datagram. ok: it is an Initial; rest is nil when nothing can follow.
func parseQUIC(d []byte) (p quicInitial, rest []byte, ok bool) {
	if len(d) < 7 || d[0]&0xc0 != 0xc0 {
		return p, nil, false
	}
	v, known := quicVersionOf(binary.BigEndian.Uint32(d[1:]))
	if !known {
		return p, nil, false
	}
	c := cursor{d: d[5:]}
	dcid := c.take(c.number(1))
	c.take(c.number(1)) // source's connection ID
	typ := d[0] >> 4 & 3
	if typ == v.typ {
		c.take(c.varint()) // token
	}
	size := c.varint()
	number := len(d) - len(c.d)
	if c.take(size); c.short || len(dcid) > 20 || typ == (v.typ+3)&3 { // a retry has no length
		return p, nil, false
	}
	p = quicInitial{v, dcid, d[:number+size], number}
	return p, c.d, typ == v.typ
}

// varint takes one of QUIC's numbers of 1, 2, 4 or 8 bytes, as its first two bits say; what can't be a length is too large.
func (c *cursor) varint() int {
	if len(c.d) == 0 {
		c.short = true
		return 0
	}
	size := 1 << (c.d[0] >> 6)
	v := c.take(size)
	n := uint64(0)
	for i, x := range v {
		if i == 0 {
			x &= 0x3f
		}
		n = n<<8 | uint64(x)
	}
	return int(min(n, maxFrame))
}

// open decrypts the packet.
func (k *quicKeys) open(p *quicInitial) (frames []byte, ok bool) {
	if len(p.packet) < p.number+4+quicSample {
		return nil, false
	}
	var mask [quicSample]byte
	k.mask.Encrypt(mask[:], p.packet[p.number+4:p.number+4+quicSample])
	header := slices.Clone(p.packet[:p.number+4])
	header[0] ^= mask[0] & 15
	size := int(header[0]&3) + 1
	nonce := slices.Clone(k.iv)
	for i := range size {
		header[p.number+i] ^= mask[1+i]
		nonce[len(nonce)-size+i] ^= header[p.number+i]
	}
	header = header[:p.number+size]
	frames, err := k.aead.Open(nil, nonce, p.packet[len(header):], header)
	return frames, err == nil
}

// gatherQUIC puts the pieces of the handshake in a packet's frames where they belong.
func gatherQUIC(g *gathering, frames []byte) {
	c := cursor{d: frames}
	for len(c.d) > 0 && !c.short {
		switch kind := c.number(1); kind {
		case 0, 1: // padding, ping
		case 2, 3: // acknowledgement
			c.varint()
			c.varint()
			ranges := c.varint()
			c.varint()
			for range min(2*ranges, len(c.d)) {
				c.varint()
			}
			if kind == 3 { // with counts of congestion
				c.varint()
				c.varint()
				c.varint()
			}
		case 6:
			off, size := c.varint(), c.varint()
			if d := c.take(size); !c.short {
				g.add(off, d, maxPrefix)
			}
		default:
			return
		}
	}
}

// A quicHello is a ClientHello being gathered.
type quicHello struct {
	keys  quicKeys
	hello gathering
	at    said
	taken int // datagrams
}

// lookQUIC looks for a ClientHello in a client's datagram. Only what decrypts is QUIC for sure.
func (r *reader) lookQUIC(b *event.Batch, slot uint32, fl *flow, dir int) {
	k := prefixKey(slot, dir)
	x := r.sniff.quic[k]
	fl.look[dir] = lookDone
	d := r.p.payload
	for n := 0; n < maxQUICPackets && len(d) > 0; n++ {
		p, rest, ok := parseQUIC(d)
		if d = rest; !ok {
			continue
		}
		var frames []byte
		if x != nil {
			frames, ok = x.keys.open(&p)
		}
		if x == nil || !ok { // the first, or a server made the client begin again
			keys, err := deriveQUIC(p.version, p.dcid)
			if err != nil {
				continue
			}
			if frames, ok = keys.open(&p); !ok {
				continue
			}
			x = &quicHello{keys: keys, at: r.here()}
		}
		fl.app = appQUIC
		gatherQUIC(&x.hello, frames)
	}
	if x == nil {
		return
	}
	x.taken++
	if r.examineQUIC(b, fl, dir, x, x.taken >= maxQUICDatagrams) {
		delete(r.sniff.quic, k)
		return
	}
	if r.sniff.quic[k] == nil && len(r.sniff.quic) >= maxPrefixes {
		r.sniff.beyond++
		return
	}
	r.sniff.quic[k] = x
	fl.look[dir] = lookMore
}

// examineQUIC looks for a name in what was gathered and says whether it has seen enough.
func (r *reader) examineQUIC(b *event.Batch, fl *flow, dir int, x *quicHello, last bool) (enough bool) {
	msg := x.hello.begin()
	if len(msg) == 0 || msg[0] != tlsClientHello {
		return last || len(msg) > 0
	}
	name, whole := parseExtensions(msg)
	if len(name) > 0 {
		r.putHello(b, fl, dir, x.at, name)
	}
	return whole || last
}
