package lab

import (
	"math/rand/v2"
	"slices"
)

// The messages of a TLS 1.3 handshake, RFC 8446. What is random or encrypted in
// a real one is noise here.

// Record types, section 5.1.
const (
	tlsChangeCipherSpec = 20
	tlsHandshake        = 22
	tlsApplication      = 23
)

// sessionID is what the client makes up and the server repeats, section 4.1.2.
var sessionID = prefixed(1, noise('s', 32))

// tlsClientHello returns the record in which a client asks for a server by name.
func tlsClientHello(name string) []byte {
	extensions := prefixed(2,
		tlsExtension(0, prefixed(2, []byte{0}, prefixed(2, []byte(name)))),             // server_name
		tlsExtension(10, prefixed(2, []byte("\x00\x1d\x00\x17"))),                      // supported_groups: x25519, secp256r1
		tlsExtension(13, prefixed(2, []byte("\x04\x03\x08\x04\x04\x01"))),              // signature_algorithms: ECDSA, PSS, PKCS 1
		tlsExtension(16, prefixed(2, prefixed(1, []byte("http/1.1")))),                 // ALPN
		tlsExtension(43, prefixed(1, []byte("\x03\x04\x03\x03"))),                      // supported_versions: 1.3, 1.2
		tlsExtension(45, prefixed(1, []byte{1})),                                       // psk_key_exchange_modes: with (EC)DHE
		tlsExtension(51, prefixed(2, []byte("\x00\x1d"), prefixed(2, noise('c', 32)))), // key_share: x25519
	)
	ciphers := prefixed(2, []byte("\x13\x01\x13\x02\x13\x03"))
	noCompression := prefixed(1, []byte{0})
	body := prefixed(3, []byte("\x03\x03"), noise('r', 32), sessionID, ciphers, noCompression, extensions)
	return tlsRecord(tlsHandshake, []byte{1}, body)
}

// tlsServerFlight returns what a server answers: ServerHello, and encrypted its
// extensions, its certificate and that it has finished.
func tlsServerFlight() []byte {
	extensions := prefixed(2,
		tlsExtension(43, []byte("\x03\x04")),
		tlsExtension(51, []byte("\x00\x1d"), prefixed(2, noise('k', 32))),
	)
	body := prefixed(3, []byte("\x03\x03"), noise('R', 32), sessionID, []byte("\x13\x01\x00"), extensions)
	return slices.Concat(
		tlsRecord(tlsHandshake, []byte{2}, body),
		tlsRecord(tlsChangeCipherSpec, []byte{1}),
		tlsApplicationData(2304),
	)
}

// tlsClientFinished returns the client's last word before it sends data.
func tlsClientFinished() []byte {
	return append(tlsRecord(tlsChangeCipherSpec, []byte{1}), tlsApplicationData(53)...)
}

// tlsApplicationData returns a record with n encrypted bytes.
func tlsApplicationData(n int) []byte { return tlsRecord(tlsApplication, noise('a', n)) }

func tlsRecord(kind byte, parts ...[]byte) []byte {
	return append([]byte{kind, 3, 3}, prefixed(2, parts...)...)
}

func tlsExtension(kind byte, parts ...[]byte) []byte {
	return append([]byte{0, kind}, prefixed(2, parts...)...)
}

// noise returns n bytes that look random and are the same for the same seed.
func noise(seed byte, n int) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(data) // never fails
	return data
}
