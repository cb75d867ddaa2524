package pcap

import "encoding/binary"

const (
	tlsHandshake   = 22 // content type of a record
	tlsClientHello = 1  // type of a handshake message
)

// parseHello finds the server name in the begin of a TLS connection (RFC 8446 4.1.2, RFC 6066 3). It says more until the
// name is found or the ClientHello ends; name is nil when it has none.
func parseHello(d []byte) (name []byte, v verdict) {
	msg, v := handshake(d)
	if v == no {
		return nil, no
	}
	if len(msg) > 0 && msg[0] != tlsClientHello { // a server's
		return nil, yes
	}
	name, whole := parseExtensions(msg)
	if name != nil || whole {
		return name, yes
	}
	return nil, v
}

// handshake gives the first handshake message as far as it is there: it stands in records of type, version, length, and may
// be spread over several. It says yes when no more of it will come.
func handshake(d []byte) (msg []byte, v verdict) {
	for len(d) >= 5 {
		size := int(binary.BigEndian.Uint16(d[3:]))
		if d[0] != tlsHandshake || d[1] != 3 || size == 0 || size > 1<<14+256 {
			if msg == nil {
				return nil, no
			}
			return msg, yes
		}
		body := d[5:min(len(d), 5+size)]
		if msg == nil {
			msg = body[:len(body):len(body)] // so that appending to it copies it
		} else {
			msg = append(msg, body...)
		}
		if len(msg) >= 4 && len(msg) >= handshakeSize(msg) {
			return msg, yes
		}
		if len(d) < 5+size {
			break
		}
		d = d[5+size:]
	}
	return msg, more
}

func handshakeSize(d []byte) int {
	return 4 + int(d[1])<<16 + int(d[2])<<8 + int(d[3])
}

// A cursor takes pieces off a message and remembers when one was missing.
type cursor struct {
	d     []byte
	short bool
}

func (c *cursor) take(n int) []byte {
	if n > len(c.d) {
		c.short, c.d = true, nil
		return nil
	}
	v := c.d[:n]
	c.d = c.d[n:]
	return v
}

// number takes a big-endian number of n bytes.
func (c *cursor) number(n int) int {
	v := 0
	for _, x := range c.take(n) {
		v = v<<8 | int(x)
	}
	return v
}

// parseExtensions finds the server name in a ClientHello of which only the begin may be there, and says whether it got to
// its end.
func parseExtensions(d []byte) (name []byte, whole bool) {
	c := cursor{d: d}
	c.take(1 + 3 + 2 + 32) // type, length, version, random
	c.take(c.number(1))    // session
	c.take(c.number(2))    // ciphers
	c.take(c.number(1))    // compression
	left := c.number(2)
	for left >= 4 && !c.short {
		kind, size := c.number(2), c.number(2)
		left -= 4 + size
		ext := c.take(size)
		if kind == 0 && !c.short {
			return serverName(ext), true
		}
	}
	return nil, !c.short
}

// serverName takes the host name from a server name extension: a list of type, length, name.
func serverName(ext []byte) []byte {
	c := cursor{d: ext}
	c.take(2)
	for len(c.d) >= 3 {
		kind := c.number(1)
		name := c.take(c.number(2))
		if kind == 0 && len(name) > 0 && len(name) <= 255 {
			return name
		}
	}
	return nil
}
