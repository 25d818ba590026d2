package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// writeCertificate writes a certificate for 127.0.0.1 that signs itself, and its key.
func (d *runningDaemon) writeCertificate(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "xdpeel"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: certificate}, "key.pem": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(d.path(name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// With a file of TLS and passwords, the pages are for those who know one, and
// xdpeel status can; the check's address stays open.
func TestRunWebConfig(t *testing.T) {
	w := newWire(t)
	d := &runningDaemon{wire: w, dir: t.TempDir()}
	d.writeCertificate(t)
	if err := os.Rename(d.path("cert.pem"), d.path("other.pem")); err != nil {
		t.Fatal(err)
	}
	d.writeCertificate(t)
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	web := "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\nbasic_auth_users: {prometheus: '" + string(hash) + "'}\n"
	if err := os.WriteFile(d.path("web.yml"), []byte(web), 0o600); err != nil {
		t.Fatal(err)
	}
	d.write(t, daemonConfig("health: 127.0.0.1:0\n"+everything))
	d.running = w.launch(t, &environment{stdout: io.Discard, hangups: hangups}, "run", "--config", d.path("xdpeel.yaml"), "--web.config.file", d.path("web.yml"))
	d.await("msg=listening health=")
	url := d.at("http")
	host, found := strings.CutPrefix(url, "https://")
	if !found {
		t.Errorf("the pages are at %s", url)
	}
	for _, test := range []struct {
		url, ca, want string
		status        int
	}{
		{strings.Replace(url, "://", "://prometheus:secret@", 1), "cert.pem", `"received": 0`, 0},
		{strings.Replace(url, "://", "://prometheus:wrong@", 1), "cert.pem", "xxxxx@" + host + "/status: 401 Unauthorized\n", 1},
		{url, "cert.pem", "401 Unauthorized\nxdpeel: hint: the daemon asks for a name and a password", 1},
		{url, "web.yml", "web.yml has none", 1},
		{url, "other.pem", "\nxdpeel: hint: --ca names", 1},
		{strings.Replace(url, "https", "http", 1), "cert.pem", "400 Bad Request\nxdpeel: hint: a daemon with --web.config.file", 1},
	} {
		var said strings.Builder
		env := &environment{stdout: &said, stderr: &said, dial: d.dial}
		status := execute(t.Context(), env, []string{"status", "--json", "--url", test.url, "--ca", d.path(test.ca)})
		if status != test.status || !strings.Contains(said.String(), test.want) {
			t.Errorf("%s: status %d, said %q; want %d and %q", test.url, status, &said, test.status, test.want)
		}
		if strings.Contains(said.String(), "wrong@") {
			t.Errorf("%s: it tells the password: %q", test.url, &said)
		}
	}
	d.url = d.at("health")
	if status, _ := d.get(t, "/healthz"); status != 200 {
		t.Errorf("healthz: %d", status)
	}
	d.stop()
	d.end(0)
}

// A file of TLS and passwords that is wrong keeps the daemon from starting.
func TestRunWrongWebConfig(t *testing.T) {
	w := newWire(t)
	d := &runningDaemon{wire: w, dir: t.TempDir()}
	d.write(t, daemonConfig(everything))
	if err := os.WriteFile(d.path("web.yml"), []byte("tls_server_config: {cert_file: no.pem, key_file: no.pem}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := w.launch(t, &environment{stdout: io.Discard, hangups: hangups}, "run", "--config", d.path("xdpeel.yaml"), "--web.config.file", d.path("web.yml"))
	r.end(1)
	if said := r.stderr.String(); !strings.Contains(said, "no.pem: no such file or directory") || !strings.Contains(said, "xdpeel: hint: docs/metrics.md") {
		t.Errorf("said %q", said)
	}
}
