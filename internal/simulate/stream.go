package simulate

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sort"
)

// A stream is what one side of a TCP connection sent, as pieces in order; a piece without data is noise.
type stream []piece

type piece struct {
	off  int64
	n    int
	data []byte
}

func (s stream) end() int64 {
	if len(s) == 0 {
		return 0
	}
	return s[len(s)-1].off + int64(s[len(s)-1].n)
}

func (s *stream) put(data []byte, n int) {
	if n > 0 {
		*s = append(*s, piece{s.end(), n, data})
	}
}

// add appends a message of n bytes that begins with head; the rest is noise, in TLS records if asked for.
func (s *stream) add(head []byte, n int, tls bool) {
	head = head[:min(len(head), n)]
	s.put(head, len(head))
	for left := n - len(head); left > 0; {
		if !tls || left < 6 {
			s.put(nil, left)
			return
		}
		const most = 5 + 16384
		size := min(left, most)
		if tail := left - size; tail > 0 && tail < 6 {
			size -= 6
		}
		s.put(binary.BigEndian.AppendUint16([]byte{23, 3, 3}, uint16(size-5)), 5)
		s.put(nil, size-5)
		left -= size
	}
}

// read copies what stands at off into b.
func (s stream) read(b []byte, off int64, noise []byte) {
	for i := sort.Search(len(s), func(i int) bool { return s[i].off+int64(s[i].n) > off }); len(b) > 0 && i < len(s); i++ {
		in := int(off - s[i].off)
		n := min(len(b), s[i].n-in)
		if s[i].data != nil {
			copy(b[:n], s[i].data[in:])
		} else {
			for done := 0; done < n; {
				done += copy(b[done:n], noise[int(off+int64(done))%len(noise):])
			}
		}
		b, off = b[n:], off+int64(n)
	}
}

func random(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// vector is data with its length before it in the given number of bytes, as TLS writes it.
func vector(size int, data []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	return append(b[4-size:], data...)
}

func extension(id uint16, data []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, id), vector(2, data)...)
}

func join(parts ...[]byte) []byte {
	var b []byte
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// clientHello is the TLS record with which a Windows program opens TLS 1.3 to a server of the given name (RFC 8446, 4.1.2).
func clientHello(rng *rand.Rand, name string) []byte {
	suites := []byte{0x13, 0x02, 0x13, 0x01, 0xc0, 0x2c, 0xc0, 0x2b, 0xc0, 0x30, 0xc0, 0x2f, 0xc0, 0x24, 0xc0, 0x23, 0xc0, 0x28, 0xc0, 0x27, 0x00, 0x9d, 0x00, 0x9c}
	exts := join(
		extension(0, vector(2, append([]byte{0}, vector(2, []byte(name))...))),                             // server_name
		extension(5, []byte{1, 0, 0, 0, 0}),                                                                // status_request
		extension(10, vector(2, []byte{0, 29, 0, 23, 0, 24})),                                              // supported_groups
		extension(11, []byte{1, 0}),                                                                        // ec_point_formats
		extension(13, vector(2, []byte{8, 4, 8, 5, 8, 6, 4, 1, 5, 1, 2, 1, 4, 3, 5, 3, 2, 3, 6, 1, 6, 3})), // signature_algorithms
		extension(16, vector(2, append(vector(1, []byte("h2")), vector(1, []byte("http/1.1"))...))),        // ALPN
		extension(23, nil),                           // extended_master_secret
		extension(43, vector(1, []byte{3, 4, 3, 3})), // supported_versions
		extension(45, []byte{1, 1}),                  // psk_key_exchange_modes
		extension(51, vector(2, append([]byte{0, 29}, vector(2, random(rng, 32))...))), // key_share
	)
	body := join([]byte{3, 3}, random(rng, 32), vector(1, random(rng, 32)), vector(2, suites), []byte{1, 0}, vector(2, exts))
	return append([]byte{22, 3, 1}, vector(2, append([]byte{1}, vector(3, body)...))...)
}

// serverHello is the answer, with the ChangeCipherSpec that follows; what comes then is encrypted.
func serverHello(rng *rand.Rand) []byte {
	exts := join(extension(43, []byte{3, 4}), extension(51, append([]byte{0, 29}, vector(2, random(rng, 32))...)))
	body := join([]byte{3, 3}, random(rng, 32), vector(1, random(rng, 32)), []byte{0x13, 0x02, 0}, vector(2, exts))
	return append(append([]byte{22, 3, 3}, vector(2, append([]byte{2}, vector(3, body)...))...), 20, 3, 3, 0, 1, 1)
}

// httpMessages are a question for a certificate list and the beginning of an answer that is size bytes with its header.
func httpMessages(host string, size int) (req, resp []byte) {
	req = fmt.Appendf(nil, "GET /msdownload/update/v3/static/trustedr/en/disallowedcertstl.cab HTTP/1.1\r\nConnection: Keep-Alive\r\nAccept: */*\r\nUser-Agent: Microsoft-CryptoAPI/10.0\r\nHost: %s\r\n\r\n", host)
	head := func(n int) []byte {
		return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.ms-cab-compressed\r\nContent-Length: %d\r\nServer: Microsoft-IIS/10.0\r\n\r\n", n)
	}
	length := size - len(head(size))
	return req, head(size - len(head(length)))
}
