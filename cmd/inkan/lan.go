package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"html/template"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"rsc.io/qr"
)

// lan serves the token app to real phones on the same network: browsers give an app its keys only over TLS that they trust, so the demo makes a small certificate
// authority of its own, good for this one name and address and for thirty days.
type lan struct {
	origin string
	Page   string // where a phone gets the authority's certificate
	app    net.Listener
	trust  net.Listener
	conf   *tls.Config
	ca     []byte // DER
}

// newLAN prepares it where it was asked for; nil otherwise.
func newLAN(d demoFlags) (*lan, error) {
	if d.lan == "" {
		return nil, nil
	}
	if strings.ContainsAny(d.lan, ":/ ") {
		return nil, errors.New("-lan takes a host name that phones on this network can find, such as mypc.local")
	}
	ip, err := lanAddress()
	if err != nil {
		return nil, err
	}
	ca, caKey, err := authorityOf(filepath.Join(d.data, "lan-ca.pem"), d.lan, ip)
	if err != nil {
		return nil, err
	}
	leaf, err := leafOf(ca, caKey, d.lan, ip)
	if err != nil {
		return nil, err
	}
	l := &lan{ca: ca.Raw, conf: &tls.Config{Certificates: []tls.Certificate{leaf}, MinVersion: tls.VersionTLS12}}
	if l.app, err = net.Listen("tcp", ":8443"); err != nil {
		return nil, err
	}
	if l.trust, err = net.Listen("tcp", ":8081"); err != nil {
		return nil, errors.Join(err, l.app.Close())
	}
	l.origin = "https://" + d.lan + ":" + strconv.Itoa(l.app.Addr().(*net.TCPAddr).Port)
	l.Page = "http://" + ip.String() + ":8081/"
	return l, nil
}

func (l *lan) close() {
	if l != nil {
		_ = l.app.Close()
		_ = l.trust.Close()
	}
}

// only lets nothing but the token app be reached from the network: the bank's pages and the mailbox stay on this machine.
func (l *lan) only(next http.Handler) http.Handler {
	host := strings.TrimPrefix(l.origin, "https://")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != host {
			http.Error(w, "no such site here", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// lanAddress is this machine's address on its network.
func lanAddress() (net.IP, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var other net.IP
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok || n.IP.To4() == nil || !n.IP.IsGlobalUnicast() {
			continue
		}
		if n.IP.IsPrivate() {
			return n.IP.To4(), nil
		}
		other = n.IP.To4()
	}
	if other == nil {
		return nil, errors.New("-lan: this machine has no address on a network")
	}
	return other, nil
}

func authorityOf(path, name string, ip net.IP) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	if b, err := os.ReadFile(path); err == nil { //nolint:gosec // our own directory
		c, rest := pem.Decode(b)
		k, _ := pem.Decode(rest)
		if c != nil && k != nil {
			cert, errC := x509.ParseCertificate(c.Bytes)
			key, errK := x509.ParseECPrivateKey(k.Bytes)
			if errC == nil && errK == nil && time.Now().Before(cert.NotAfter) && len(cert.PermittedDNSDomains) == 1 && cert.PermittedDNSDomains[0] == name && cert.PermittedIPRanges[0].IP.Equal(ip) {
				return cert, key, nil
			}
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	t := &x509.Certificate{SerialNumber: serial(), Subject: pkix.Name{CommonName: "Inkan demo on " + name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(30 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign, PermittedDNSDomainsCritical: true, PermittedDNSDomains: []string{name},
		PermittedIPRanges: []*net.IPNet{{IP: ip, Mask: net.CIDRMask(32, 32)}}}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return nil, nil, err
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, err
	}
	both := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})...)
	return cert, key, os.WriteFile(path, both, 0o600)
}

func leafOf(ca *x509.Certificate, caKey *ecdsa.PrivateKey, name string, ip net.IP) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	t := &x509.Certificate{SerialNumber: serial(), Subject: pkix.Name{CommonName: name}, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, DNSNames: []string{name}, IPAddresses: []net.IP{ip},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, t, ca, &key.PublicKey, caKey)
	return tls.Certificate{Certificate: [][]byte{der, ca.Raw}, PrivateKey: key}, err
}

func serial() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err) // the system's randomness never fails
	}
	return n
}

// QR draws an address as a picture without any script or style.
func (l *lan) QR(address string) (template.HTML, error) {
	c, err := qr.Encode(address, qr.M)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-4 -4 %d %d" width="200" height="200" shape-rendering="crispEdges" role="img" aria-label="QR"><rect x="-4" y="-4" width="100%%" height="100%%" fill="#fff"/>`, c.Size+8, c.Size+8)
	for y := range c.Size {
		for x := range c.Size {
			if c.Black(x, y) {
				fmt.Fprintf(&b, `<rect x="%d" y="%d" width="1" height="1" fill="#000"/>`, x, y)
			}
		}
	}
	b.WriteString("</svg>")
	return template.HTML(b.String()), nil //nolint:gosec // made of numbers
}

// ServeHTTP gives phones the authority's certificate, and nothing else, over plain HTTP.
func (l *lan) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/inkan-demo.crt" {
		w.Header().Set("Content-Type", "application/x-x509-ca-cert")
		_, _ = w.Write(l.ca)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = lanPage.Execute(w, l.origin)
}

var lanPage = template.Must(template.New("").Parse(`<!doctype html><html lang="ja"><meta name="viewport" content="width=device-width"><title>Inkan demo</title>
<h1>Inkan demo</h1>
<ol><li><a href="/inkan-demo.crt">証明書を入れる / install the certificate</a><br>iOS: 設定 → 一般 → VPNとデバイス管理、次に 情報 → 証明書信頼設定<br>Android: 設定 → セキュリティ → 証明書のインストール → CA証明書</li>
<li><a href="{{.}}">{{.}}</a> を開く / open the token app</li></ol>
<p>この証明書はこのデモの名前だけに有効で、30日で切れます。お試しのあとは削除してください。<br>It is good for this demo's name only, for 30 days. Remove it afterwards.</p>`))
