package policy

import (
	"strings"
	"testing"
	"time"
)

func TestDefaultHolds(t *testing.T) {
	if err := Default().Check(); err != nil {
		t.Errorf("Default().Check() = %v", err)
	}
}

func TestEveryPromiseBoundsItsNumber(t *testing.T) {
	for name, change := range map[string]func(*Policy){
		"otp_digits":            func(p *Policy) { p.OTPDigits = 4 },
		"otp_step":              func(p *Policy) { p.OTPStep = 5 * time.Minute },
		"max_drift":             func(p *Policy) { p.MaxDrift = 3 },
		"tries_per_block":       func(p *Policy) { p.TriesPerBlock = 6 },
		"otp_tries_to_lock":     func(p *Policy) { p.OTPTriesToLock = 11 },
		"registration_key_life": func(p *Policy) { p.RegistrationKeyLife = 11 * time.Minute },
		"registration_tries":    func(p *Policy) { p.RegistrationTries = 6 },
		"start_tries":           func(p *Policy) { p.StartTries = 4 },
		"session_idle":          func(p *Policy) { p.SessionIdle = 6 * time.Minute },
		"session_life":          func(p *Policy) { p.SessionLife = 13 * time.Hour },
		"password_floor":        func(p *Policy) { p.PasswordFloor = 7 },
	} {
		p := Default()
		change(&p)
		if err := p.Check(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s beyond its bound: Check() = %v, want an error that names it", name, err)
		}
	}
}
