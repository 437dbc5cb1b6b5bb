package passkey

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
)

// Limits of ceremonies.
const (
	ChallengeBytes = 32              // R-051; the specification's floor is 16 (section 13.4.3)
	HandleBytes    = 64              // random, so that it says nothing of the customer
	ChallengeLife  = 5 * time.Minute // of a challenge

	maxResponse = 16 << 10
	minID       = 16   // Section 4: a credential ID has at least 100 bits of entropy
	maxID       = 1023 // Section 7.1, step 25
)

// Why is the reason for which a response was refused. It is written into the trail and never shown: whoever sent it knows, or must not.
type Why string

// The reasons.
const (
	Form        Why = "form"        // not the JSON of section 5.8
	Ceremony    Why = "ceremony"    // the library's own checks: type, challenge, hashes, flags, signature
	Origin      Why = "origin"      // not exactly our origin, or framed by another
	Backup      Why = "backup"      // flags that cannot be, or that have changed
	Bindable    Why = "copyable"    // a passkey that can be copied where only one that cannot may be used
	Algorithm   Why = "algorithm"   // none of those asked for
	Attestation Why = "attestation" // a statement that nobody asked for
	ID          Why = "id"          // a credential ID too short or too long
	Handle      Why = "handle"      // another customer's
)

// Refusal says that a response does not hold.
type Refusal struct {
	Why   Why
	cause error
}

// Error names the reason.
func (r *Refusal) Error() string { return "passkey: refused: " + string(r.Why) }

// Unwrap gives the library's own error, for the log.
func (r *Refusal) Unwrap() error { return r.cause }

// Party is one relying party. Customers, staff and the token app have one each, on hosts of their own, so that a passkey of one opens nothing of another.
type Party struct {
	ID     string // the host
	Origin string // as a browser writes it, letter by letter
	Name   string
	// DeviceBound refuses passkeys that can be copied.
	DeviceBound bool
	// Confirms says that its passkeys open nothing: they confirm, in the device that holds them, what a key of that device has signed. The party names the passkey each time, so that
	// it need not be found, and its key is of the one suite of the token protocol.
	Confirms bool
}

// NewParty makes the relying party of an origin. Its ID is the origin's own host and no suffix of it, so that no sister host can ask for its passkeys.
func NewParty(origin, name string, deviceBound bool) (Party, error) {
	u, err := url.Parse(origin)
	if err != nil || u.Hostname() == "" || u.Path != "" {
		return Party{}, fmt.Errorf("passkey: %q is not an origin", origin)
	}
	return Party{ID: u.Hostname(), Origin: origin, Name: name, DeviceBound: deviceBound}, nil
}

// algorithms are those of R-053, the first preferred: ES256, EdDSA, RS256.
var algorithms = []webauthncose.COSEAlgorithmIdentifier{webauthncose.AlgES256, webauthncose.AlgEdDSA, webauthncose.AlgRS256}

func (p Party) parameters() []protocol.CredentialParameter {
	some := algorithms
	if p.Confirms {
		some = some[:1]
	}
	out := make([]protocol.CredentialParameter, len(some))
	for i, a := range some {
		out[i] = protocol.CredentialParameter{Type: protocol.PublicKeyCredentialType, Algorithm: a}
	}
	return out
}

// User is for whom a passkey is made, as the browser's own dialogue shows it.
type User struct {
	Handle []byte // HandleBytes random bytes
	Name   string // the login ID
	Shown  string
}

// CreationOptions is the JSON that PublicKeyCredential.parseCreationOptionsFromJSON takes. have are the passkeys that the user has already: her device does not make a second one.
func (p Party) CreationOptions(challenge []byte, u User, have []Credential) ([]byte, error) {
	required := true
	selection := protocol.AuthenticatorSelection{RequireResidentKey: &required, ResidentKey: protocol.ResidentKeyRequirementRequired, UserVerification: protocol.VerificationRequired}
	if p.Confirms {
		selection = protocol.AuthenticatorSelection{AuthenticatorAttachment: protocol.Platform, ResidentKey: protocol.ResidentKeyRequirementDiscouraged, UserVerification: protocol.VerificationRequired}
	}
	return json.Marshal(protocol.PublicKeyCredentialCreationOptions{
		RelyingParty:           protocol.RelyingPartyEntity{CredentialEntity: protocol.CredentialEntity{Name: p.Name}, ID: p.ID},
		User:                   protocol.UserEntity{CredentialEntity: protocol.CredentialEntity{Name: u.Name}, DisplayName: u.Shown, ID: protocol.URLEncodedBase64(u.Handle)},
		Challenge:              challenge,
		Parameters:             p.parameters(),
		Timeout:                int(ChallengeLife / time.Millisecond),
		CredentialExcludeList:  descriptors(have),
		AuthenticatorSelection: selection,
		Attestation:            protocol.PreferNoAttestation,
	})
}

// RequestOptions is the JSON that PublicKeyCredential.parseRequestOptionsFromJSON takes. Without allow the browser offers whatever it has for this party, so that nobody has to say
// first who she is, and no list tells a stranger who has passkeys.
func (p Party) RequestOptions(challenge []byte, allow []Credential) ([]byte, error) {
	return json.Marshal(protocol.PublicKeyCredentialRequestOptions{Challenge: challenge, Timeout: int(ChallengeLife / time.Millisecond), RelyingPartyID: p.ID,
		AllowedCredentials: descriptors(allow), UserVerification: protocol.VerificationRequired})
}

func descriptors(cs []Credential) []protocol.CredentialDescriptor {
	var out []protocol.CredentialDescriptor
	for _, c := range cs {
		d := protocol.CredentialDescriptor{Type: protocol.PublicKeyCredentialType, CredentialID: c.ID}
		for _, t := range c.Transports {
			d.Transport = append(d.Transport, protocol.AuthenticatorTransport(t))
		}
		out = append(out, d)
	}
	return out
}

// Created is a response to CreationOptions that has been read and not verified yet.
type Created struct {
	Challenge []byte
	parsed    *protocol.ParsedCredentialCreationData
}

// ReadCreated reads what the browser's credential.toJSON gave.
func ReadCreated(response []byte) (*Created, error) {
	if len(response) > maxResponse {
		return nil, &Refusal{Why: Form}
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(response)
	if err != nil {
		return nil, &Refusal{Form, err}
	}
	challenge, err := challengeOf(parsed.Response.CollectedClientData)
	if err != nil {
		return nil, err
	}
	return &Created{challenge, parsed}, nil
}

// challengeOf reads the challenge by which a ceremony is found. There is one text for each challenge.
func challengeOf(c protocol.CollectedClientData) ([]byte, error) {
	out, err := base64.RawURLEncoding.Strict().DecodeString(c.Challenge)
	if err != nil || len(out) != ChallengeBytes || base64.RawURLEncoding.EncodeToString(out) != c.Challenge {
		return nil, &Refusal{Form, err}
	}
	return out, nil
}

// Register verifies a creation under the challenge that was given for it (section 7.1) and gives the passkey's public half.
func (p Party) Register(challenge []byte, r *Created) (Credential, error) {
	if err := p.exactly(r.parsed.Response.CollectedClientData); err != nil {
		return Credential{}, err
	}
	object := &r.parsed.Response.AttestationObject
	// The policy of R-053 is the server's: what the browser was asked for and what came back are two things.
	if f := object.Format; f != string(protocol.AttestationFormatNone) && f != string(protocol.AttestationFormatPacked) {
		return Credential{}, &Refusal{Why: Attestation}
	}
	_, err := r.parsed.Verify(base64.RawURLEncoding.EncodeToString(challenge), p.ID, []string{p.Origin}, nil, nil, protocol.TopOriginExplicitVerificationMode, false, true, true, nil,
		p.parameters(), protocol.AttestationPolicy{}, protocol.SignaturePolicy{})
	if err != nil {
		return Credential{}, &Refusal{Ceremony, err}
	}
	flags, data := object.AuthData.Flags, object.AuthData.AttData
	c := Credential{ID: bytes.Clone(data.CredentialID), PublicKey: bytes.Clone(data.CredentialPublicKey), Counter: object.AuthData.Counter, BackupEligible: flags.HasBackupEligible(),
		BackedUp: flags.HasBackupState(), AAGUID: uuid(data.AAGUID)}
	for _, t := range r.parsed.Response.Transports {
		if known := []protocol.AuthenticatorTransport{protocol.USB, protocol.NFC, protocol.BLE, protocol.SmartCard, protocol.Hybrid, protocol.Internal}; slices.Contains(known, t) && !slices.Contains(c.Transports, string(t)) {
			c.Transports = append(c.Transports, string(t))
		}
	}
	switch {
	case len(c.ID) < minID || len(c.ID) > maxID:
		return Credential{}, &Refusal{Why: ID}
	case c.BackedUp && !c.BackupEligible:
		return Credential{}, &Refusal{Why: Backup}
	case p.DeviceBound && c.BackupEligible:
		return Credential{}, &Refusal{Why: Bindable}
	}
	if err := checkKey(c.PublicKey); err != nil {
		return Credential{}, err
	}
	return c, nil
}

// checkKey refuses keys that would verify nothing, or too little, for ever after.
func checkKey(cose []byte) error {
	key, err := webauthncose.ParsePublicKey(cose)
	if err != nil {
		return &Refusal{Algorithm, err}
	}
	switch k := key.(type) {
	case webauthncose.EC2PublicKeyData, webauthncose.OKPPublicKeyData:
		return nil
	case webauthncose.RSAPublicKeyData:
		if n := len(bytes.TrimLeft(k.Modulus, "\x00")); n >= 256 && n <= 512 { // 2048 to 4096 bits
			return nil
		}
	}
	return &Refusal{Why: Algorithm}
}

// P256 gives the key's point, uncompressed, or false where it is a key of another kind.
func (c Credential) P256() (point [65]byte, ok bool) {
	key, err := webauthncose.ParsePublicKey(c.PublicKey)
	if err != nil {
		return point, false
	}
	k, ok := key.(webauthncose.EC2PublicKeyData)
	if !ok || k.Algorithm != int64(webauthncose.AlgES256) || len(k.XCoord) != 32 || len(k.YCoord) != 32 {
		return point, false
	}
	point[0] = 4
	copy(point[1:], k.XCoord)
	copy(point[33:], k.YCoord)
	return point, true
}

// exactly compares the origin letter by letter, where the library folds case and ports, and refuses whatever stands in another site's frame.
func (p Party) exactly(c protocol.CollectedClientData) error {
	if c.Origin != p.Origin || c.CrossOrigin || c.TopOrigin != "" {
		return &Refusal{Why: Origin}
	}
	return nil
}

// Claim is a response to RequestOptions that has been read and not verified yet: it says which passkey, and by its challenge which ceremony.
type Claim struct {
	ID, Handle []byte
	Challenge  []byte
	parsed     *protocol.ParsedCredentialAssertionData
}

// ReadClaim reads what the browser's credential.toJSON gave.
func ReadClaim(response []byte) (*Claim, error) {
	if len(response) > maxResponse {
		return nil, &Refusal{Why: Form}
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(response)
	if err != nil {
		return nil, &Refusal{Form, err}
	}
	challenge, err := challengeOf(parsed.Response.CollectedClientData)
	if err != nil {
		return nil, err
	}
	return &Claim{ID: parsed.RawID, Handle: parsed.Response.UserHandle, Challenge: challenge, parsed: parsed}, nil
}

// Use is what an assertion that holds has told.
type Use struct {
	Counter  uint32
	BackedUp bool
	// Regressed says that the counter has not grown although the authenticator counts: there may be two of this passkey (section 6.1.1, R-054).
	Regressed bool
}

// Assert verifies an assertion under the challenge that was given for it, with the passkey that it names and the handle of its owner (section 7.2).
func (p Party) Assert(challenge []byte, claim *Claim, c Credential, handle []byte) (Use, error) {
	if !bytes.Equal(claim.ID, c.ID) {
		return Use{}, &Refusal{Why: ID}
	}
	if len(handle) == 0 || !bytes.Equal(claim.Handle, handle) { // always discoverable, so always there (step 6)
		return Use{}, &Refusal{Why: Handle}
	}
	if err := p.exactly(claim.parsed.Response.CollectedClientData); err != nil {
		return Use{}, err
	}
	err := claim.parsed.Verify(base64.RawURLEncoding.EncodeToString(challenge), p.ID, "", []string{p.Origin}, nil, nil, protocol.TopOriginExplicitVerificationMode, false, true, true,
		c.PublicKey, protocol.SignaturePolicy{})
	if err != nil {
		return Use{}, &Refusal{Ceremony, err}
	}
	data := claim.parsed.Response.AuthenticatorData
	u := Use{Counter: data.Counter, BackedUp: data.Flags.HasBackupState(), Regressed: (data.Counter != 0 || c.Counter != 0) && data.Counter <= c.Counter}
	switch {
	case data.Flags.HasBackupEligible() != c.BackupEligible, u.BackedUp && !c.BackupEligible:
		return Use{}, &Refusal{Why: Backup}
	case p.DeviceBound && c.BackupEligible: // policy may have become stricter since it was registered
		return Use{}, &Refusal{Why: Bindable}
	}
	return u, nil
}

// WhyOf gives the reason inside err, or "" where err is no refusal.
func WhyOf(err error) Why {
	var r *Refusal
	if errors.As(err, &r) {
		return r.Why
	}
	return ""
}

func uuid(b []byte) string {
	if len(b) != 16 {
		return ""
	}
	h := hex.EncodeToString(b)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
