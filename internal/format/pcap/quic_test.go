package pcap

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestQUICKeys derives the keys that RFC 9001 A.1 and RFC 9369 A.1 print.
func TestQUICKeys(t *testing.T) {
	dcid, _ := hex.DecodeString("8394c8f03e515708")
	for v, want := range map[uint32][2]string{
		quic1: {"fa044b2f42a3fd3b46fb255c", "9f50449e04a0e810283a1e9933adedd2"},
		quic2: {"91f73e2351d8fa91660e909f", "45b95e15235d6f45a6b19cbcb0294ba9"},
	} {
		version, _ := quicVersionOf(v)
		k, err := deriveQUIC(version, dcid)
		if err != nil {
			t.Fatal(err)
		}
		mask, _ := hex.DecodeString(want[1])
		var got [16]byte
		k.mask.Decrypt(got[:], make([]byte, 16)) // the key can't be taken out: compare what it does
		if hex.EncodeToString(k.iv) != want[0] {
			t.Errorf("version %x: IV %x, want %s", v, k.iv, want[0])
		}
		other := quicKeys{mask: aesOf(t, mask)}
		var same [16]byte
		other.mask.Decrypt(same[:], make([]byte, 16))
		if got != same {
			t.Errorf("version %x: another header protection key than %s", v, want[1])
		}
	}
}

// sealQUIC writes an Initial packet of a client.
func sealQUIC(version uint32, dcid string, number byte, frames []byte) []byte {
	v, _ := quicVersionOf(version)
	k, err := deriveQUIC(v, []byte(dcid))
	if err != nil {
		panic(err)
	}
	size := 1 + len(frames) + 16
	d := cat([]byte{0xc0 | v.typ<<4}, be32(int(version)), []byte{byte(len(dcid))}, []byte(dcid), []byte{0, 0}, be16(0x4000|size))
	at := len(d)
	d = append(d, number)
	nonce := slices.Clone(k.iv)
	nonce[len(nonce)-1] ^= number
	d = k.aead.Seal(d, nonce, frames, d)
	var mask [16]byte
	k.mask.Encrypt(mask[:], d[at+4:at+20])
	d[0] ^= mask[0] & 15
	d[at] ^= mask[1]
	return d
}

func crypto(off int, d []byte) []byte {
	return cat([]byte{6}, be16(0x4000|off), be16(0x4000|len(d)), d)
}

// quicSampleFile has a hello in one packet; one over two datagrams, out of order and in pieces, version 2 on another port; a
// damaged one; and one whose second half is missing.
func quicSampleFile() []byte {
	hello := func(name string, padding int) []byte { return []byte(clientHello(name, padding))[5:] }
	h := hello("split.example.com", 300)
	whole := sealQUIC(quic1, "whole-id", 0, cat([]byte{1, 2, 0, 0, 0, 0}, crypto(0, hello("whole.example.com", 10)), make([]byte, 900)))
	damaged := sealQUIC(quic1, "whole-id", 0, cat(crypto(0, hello("never.example.com", 10)), make([]byte, 900)))
	damaged[len(damaged)-1] ^= 1
	return writePCAP(little, magicMicro, linkEthernet, timed(time.Second, onEther,
		udp("10.0.0.5:50000", "93.184.216.34:443", whole),
		udp("10.0.0.5:50001", "93.184.216.34:8443", sealQUIC(quic2, "split-id", 1, cat(crypto(200, h[200:]), crypto(10, h[10:60]), make([]byte, 500)))),
		udp("10.0.0.5:50001", "93.184.216.34:8443", cat(sealQUIC(quic2, "split-id", 0, cat(crypto(0, h[:40]), make([]byte, 30))),
			sealQUIC(quic2, "split-id", 2, cat([]byte{3, 0, 0, 0, 0, 0, 0, 0}, crypto(50, h[50:220]))))),
		udp("10.0.0.5:50002", "93.184.216.34:443", damaged),
		udp("10.0.0.5:50003", "93.184.216.34:443", sealQUIC(quic1, "half--id", 0, cat(crypto(0, h[:100]), make([]byte, 500)))),
	)...)
}

// TestGathering gathers random pieces and compares with what came first at each byte.
func TestGathering(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		var g gathering
		want, have := make([]byte, 100), make([]bool, 100)
		for range r.IntN(12) {
			off, d := r.IntN(110)-5, bytes.Repeat([]byte{byte(r.IntN(255) + 1)}, r.IntN(30))
			fresh := false
			for i, c := range d {
				if at := off + i; at >= 0 && at < 100 && !have[at] {
					want[at], have[at], fresh = c, true, true
				}
			}
			if got := g.add(off, d, 100); got != fresh {
				t.Fatalf("fresh %v, want %v", got, fresh)
			}
		}
		n := slices.Index(append(have, false), false)
		if !bytes.Equal(g.begin(), want[:n]) {
			t.Fatalf("%v, want %v, %v", g.begin(), want[:n], g.spans)
		}
		for i := 1; i < len(g.spans); i++ {
			if g.spans[i-1].to >= g.spans[i].from {
				t.Fatal("spans touch:", g.spans)
			}
		}
	}
}

func aesOf(t *testing.T, key []byte) cipher.Block {
	b, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
