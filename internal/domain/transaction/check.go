package transaction

import (
	"errors"
	"slices"
)

// Check is one part of an evidence file that was looked at. A part that comes after the one that is broken was not looked at: what it rests on does not hold.
type Check struct {
	Part   string // as of Break
	Looked bool
	Holds  bool
	Why    string // of what does not hold
}

// Checks verifies the evidence and says of each part that it has whether it holds, in the order in which they rest on one another.
func (e Evidence) Checks(root string) ([]Check, Findings, error) {
	found, err := e.Verify(root)
	var broken *Break
	if err != nil && !errors.As(err, &broken) {
		return nil, found, err
	}
	var out []Check
	there := map[string]bool{"issuer_key": true, "offer": true, "templates": true, "certificate": e.Certificate != "", "device_key": len(e.DeviceKey) > 0, "offline": e.Offline != "", "decision": e.Decision != "",
		"verifier": e.Verifier != "", "assertion": e.Assertion != "", "permit": e.Permit != ""}
	looked := true
	for _, part := range []string{"issuer_key", "offer", "templates", "certificate", "device_key", "offline", "decision", "verifier", "assertion", "permit"} {
		c := Check{Part: part, Looked: looked, Holds: looked}
		if broken != nil && looked && slices.Contains(restsOn[part], broken.Part) {
			c.Holds, c.Why, looked, there[part] = false, broken.Why, false, true
		}
		if part == "issuer_key" && broken != nil && broken.Part == "offer" { // perhaps no offer could be read that says for which time
			c.Looked, c.Holds = false, false
		}
		if there[part] {
			out = append(out, c)
		}
	}
	return out, found, err
}

// restsOn says by which broken part a line of the list does not hold.
var restsOn = map[string][]string{"issuer_key": {"issuer_key"}, "offer": {"offer"}, "templates": {"templates"}, "certificate": {"certificate", "certificate_issuer"}, "device_key": {"device_key"}, "offline": {"offline"},
	"decision": {"decision"}, "verifier": {"verifier", "verifier_certificate", "verifier_key", "verifier_issuer"}, "assertion": {"assertion"}, "permit": {"permit"}}
