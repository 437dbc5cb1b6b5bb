// Package keys keeps the server's keys in files: one master key from which every purpose has its own, and the issuer key with the root's word for it.
// A bank with a KMS or an HSM puts another implementation of the same seam in its place.
package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/signing"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
)

// Files of a key directory. The root's private key belongs offline: move it away after Create.
const (
	masterFile = "master.key"
	issuerFile = "issuer.pem"
	wordFile   = "issuer.jws"
	RootFile   = "root.pem"
	// TemplatesFile holds the bundle of templates that transactions are shown by, signed by the root.
	TemplatesFile = "templates.jws"
)

// issuerKeyLife is how long the root vouches for an issuer key.
const issuerKeyLife = 10 * 365 * 24 * time.Hour

// version stands in front of every sealed value, so that a later key can live beside this one.
const version = 1

// Keys is an open key directory.
type Keys struct {
	master []byte
	issuer *ecdsa.PrivateKey
	about  signing.Issuer
	bundle string

	mu    sync.RWMutex
	aeads map[string]cipher.AEAD
	macs  map[string][]byte
}

// Create makes a new key directory for the token origin and signs the first templates. It refuses to touch one that exists.
func Create(dir, tokenOrigin string, now time.Time, templates []byte) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	master := make([]byte, 32)
	_, _ = rand.Read(master) // never fails
	root, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	issuer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	rootJWK, err := signing.JWKOf(&root.PublicKey)
	if err != nil {
		return err
	}
	issuerJWK, err := signing.JWKOf(&issuer.PublicKey)
	if err != nil {
		return err
	}
	word, err := signing.MakeIssuerKey(tokenOrigin, issuerJWK, now.Add(-time.Hour), now.Add(issuerKeyLife), rootJWK, signer(root))
	if err != nil {
		return err
	}
	bundle, err := sealTemplates(root, rootJWK, tokenOrigin, templates)
	if err != nil {
		return err
	}
	rootPEM, err := encode(root)
	if err != nil {
		return err
	}
	issuerPEM, err := encode(issuer)
	if err != nil {
		return err
	}
	contents := []struct {
		name    string
		content []byte
	}{{masterFile, master}, {issuerFile, issuerPEM}, {wordFile, []byte(word)}, {TemplatesFile, []byte(bundle)}, {RootFile, rootPEM}}
	for _, c := range contents { // looked at before the first is written: a directory whose root was moved away must not get another root
		if _, err := os.Lstat(filepath.Join(dir, c.name)); err == nil {
			return fmt.Errorf("a key directory is never written over: %s: %w", c.name, fs.ErrExist)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for _, c := range contents {
		f, err := os.OpenFile(filepath.Join(dir, c.name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return fmt.Errorf("a key directory is never written over: %w", err)
		}
		if _, err := f.Write(c.content); err != nil {
			return errors.Join(err, f.Close())
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// Open reads a key directory. It refuses files that others can read.
func Open(dir, tokenOrigin string, now time.Time) (*Keys, error) {
	read := func(name string) ([]byte, error) {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("opening the keys (make them with `inkan admin keys`): %w", err)
		}
		if info.Mode()&(fs.ModePerm&0o077) != 0 {
			return nil, fmt.Errorf("%s can be read by others: chmod 600 %s", name, path)
		}
		return os.ReadFile(path) //nolint:gosec // the operator names the directory
	}
	master, err := read(masterFile)
	if err != nil {
		return nil, err
	}
	if len(master) != 32 {
		return nil, fmt.Errorf("%s must have 32 bytes, it has %d", masterFile, len(master))
	}
	b, err := read(issuerFile)
	if err != nil {
		return nil, err
	}
	issuer, err := decode(issuerFile, b)
	if err != nil {
		return nil, err
	}
	word, err := read(wordFile)
	if err != nil {
		return nil, err
	}
	said, err := signing.ParseIssuerWord(string(word))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", wordFile, err)
	}
	if now.Before(said.NotBefore.Add(-signing.IssuerKeyLeeway)) || !now.Before(said.Expires) {
		return nil, fmt.Errorf("%s: the issuer key is good from %s until %s, and now it is %s", wordFile, said.NotBefore.Format(time.RFC3339), said.Expires.Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	own, err := signing.JWKOf(&issuer.PublicKey)
	if err != nil {
		return nil, err
	}
	if own != said.Key || said.Issuer != tokenOrigin {
		return nil, fmt.Errorf("%s speaks of another key or of the origin %s, not of %s", wordFile, said.Issuer, tokenOrigin)
	}
	k := &Keys{master: master, issuer: issuer, about: signing.Issuer{Key: own, Kid: own.Thumbprint(), Envelope: string(word), RootThumbprint: said.Root.Thumbprint(), Expires: said.Expires},
		aeads: map[string]cipher.AEAD{}, macs: map[string][]byte{}}
	bundle, err := read(TemplatesFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // a directory made before there were transactions has none
		return nil, err
	}
	k.bundle = string(bundle)
	return k, k.selfTest()
}

// Templates is the bundle of templates that the root has signed, or empty.
func (k *Keys) Templates() string { return k.bundle }

// SignTemplates signs the templates of a file (docs/protocol.md, Templates) with the root whose private key lies at rootPath, and puts them into the key directory in place of
// those before. What transactions were shown by earlier stays in the database.
func SignTemplates(dir, rootPath, tokenOrigin string, templates []byte) error {
	root, public, err := openRoot(rootPath)
	if err != nil {
		return err
	}
	bundle, err := sealTemplates(root, public, tokenOrigin, templates)
	if err != nil {
		return err
	}
	return replace(filepath.Join(dir, TemplatesFile), bundle)
}

// ProlongIssuer has the root whose private key lies at rootPath vouch anew for the issuer key of a directory, whose time may be over, and puts its word in place of the one before.
func ProlongIssuer(dir, rootPath, tokenOrigin string, now time.Time) error {
	file := filepath.Join(dir, wordFile)
	b, err := os.ReadFile(file) //nolint:gosec // the operator names the directory
	if err != nil {
		return err
	}
	before, err := signing.ParseIssuerWord(string(b))
	if err != nil {
		return fmt.Errorf("%s: %w", wordFile, err)
	}
	root, public, err := openRoot(rootPath)
	if err != nil {
		return err
	}
	if public != before.Root || before.Issuer != tokenOrigin {
		return fmt.Errorf("%s is for %s under another root: no phone would take a word of this one", wordFile, before.Issuer)
	}
	word, err := signing.MakeIssuerKey(tokenOrigin, before.Key, now.Add(-time.Hour), now.Add(issuerKeyLife), public, signer(root))
	if err != nil {
		return err
	}
	return replace(file, word)
}

// openRoot reads the root's private key, which is at hand only while something is to be signed with it.
func openRoot(path string) (*ecdsa.PrivateKey, signing.JWK, error) {
	b, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, signing.JWK{}, fmt.Errorf("the root's private key is needed to sign: %w", err)
	}
	root, err := decode(path, b)
	if err != nil {
		return nil, signing.JWK{}, err
	}
	public, err := signing.JWKOf(&root.PublicKey)
	return root, public, err
}

// replace puts a file in the place of another, whole or not at all.
func replace(file, content string) error {
	if err := os.WriteFile(file+".new", []byte(content), 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

func sealTemplates(root *ecdsa.PrivateKey, public signing.JWK, tokenOrigin string, templates []byte) (string, error) {
	payload, err := transaction.MakeTemplates(tokenOrigin, templates)
	if err != nil {
		return "", err
	}
	return signing.Seal(signing.TypTemplates, "", &public, payload, signer(root))
}

// selfTest proves at the start that what is sealed opens again, and only in its place.
func (k *Keys) selfTest() error {
	sealed, err := k.Seal("self-test", "here", []byte("known"))
	if err != nil {
		return err
	}
	plain, err := k.Open("self-test", "here", sealed)
	if err != nil || string(plain) != "known" {
		return errors.New("keys: the self-test failed")
	}
	if _, err := k.Open("self-test", "there", sealed); err == nil {
		return errors.New("keys: the self-test failed: a value opened in another place")
	}
	return nil
}

// Seal encrypts with AES-256-GCM; the place is associated data.
func (k *Keys) Seal(purpose, place string, plain []byte) ([]byte, error) {
	a, err := k.aead(purpose)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 1+a.NonceSize(), 1+a.NonceSize()+len(plain)+a.Overhead())
	out[0] = version
	_, _ = rand.Read(out[1:]) // never fails
	return a.Seal(out, out[1:], plain, []byte(place)), nil
}

// Open undoes Seal in the same place.
func (k *Keys) Open(purpose, place string, sealed []byte) ([]byte, error) {
	a, err := k.aead(purpose)
	if err != nil {
		return nil, err
	}
	n := 1 + a.NonceSize()
	if len(sealed) < n || sealed[0] != version {
		return nil, errors.New("keys: a sealed value is not of a known version")
	}
	plain, err := a.Open(nil, sealed[1:n], sealed[n:], []byte(place))
	if err != nil {
		return nil, errors.New("keys: a sealed value does not open in this place")
	}
	return plain, nil
}

// MAC is HMAC-SHA256 under the purpose's own key.
func (k *Keys) MAC(purpose string, data []byte) []byte {
	k.mu.RLock()
	key, ok := k.macs[purpose]
	k.mu.RUnlock()
	if !ok {
		key = k.derive("mac", purpose)
		k.mu.Lock()
		k.macs[purpose] = key
		k.mu.Unlock()
	}
	m := hmac.New(sha256.New, key)
	m.Write(data)
	return m.Sum(nil)
}

// Issuer describes the issuer key.
func (k *Keys) Issuer() signing.Issuer { return k.about }

// SignIssuer signs a digest with the issuer key.
func (k *Keys) SignIssuer(digest []byte) ([]byte, error) { return signer(k.issuer)(digest) }

func (k *Keys) aead(purpose string) (cipher.AEAD, error) {
	k.mu.RLock()
	a, ok := k.aeads[purpose]
	k.mu.RUnlock()
	if ok {
		return a, nil
	}
	block, err := aes.NewCipher(k.derive("seal", purpose))
	if err != nil {
		return nil, err
	}
	if a, err = cipher.NewGCM(block); err != nil {
		return nil, err
	}
	k.mu.Lock()
	k.aeads[purpose] = a
	k.mu.Unlock()
	return a, nil
}

// derive gives each use and purpose a key of its own.
func (k *Keys) derive(use, purpose string) []byte {
	key, err := hkdf.Key(sha256.New, k.master, nil, "inkan/"+use+"/v1|"+purpose, 32)
	if err != nil {
		panic("keys: " + err.Error()) // only for lengths that are not ours
	}
	return key
}

func signer(key *ecdsa.PrivateKey) signing.Signer {
	return func(digest []byte) ([]byte, error) {
		r, s, err := ecdsa.Sign(rand.Reader, key, digest)
		if err != nil {
			return nil, err
		}
		return signing.Raw(r, s), nil
	}
}

func decode(name string, b []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("%s is not a PEM file", name)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	private, ok := key.(*ecdsa.PrivateKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("%s does not hold a P-256 key", name)
	}
	return private, nil
}

func encode(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}
