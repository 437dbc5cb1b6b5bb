package main

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/phone"
	"github.com/inkan-auth/inkan/internal/domain/reissue"
	"github.com/inkan-auth/inkan/internal/domain/release"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// everyCard is a core that finds every cash card right.
type everyCard struct{}

func (everyCard) CheckCard(_ context.Context, c authority.CardCheck) (authority.CardResult, error) {
	return authority.CardResult{Ref: "0101-1-" + c.AccountNumber, Right: string(c.PIN) == "4649"}, nil
}

// quietLine is a carrier that keeps the last of what it is told to carry.
type quietLine struct {
	mu   sync.Mutex
	call phone.Call
	text string
}

func (l *quietLine) Kinds() phone.Kinds {
	return phone.Kinds{Calls: true, Messages: true, Dial: "0120-111-222"}
}

func (l *quietLine) PlaceCall(_ context.Context, c phone.Call) error {
	l.mu.Lock()
	l.call = c
	l.mu.Unlock()
	return nil
}

func (l *quietLine) SendMessage(_ context.Context, m phone.Message) error {
	l.mu.Lock()
	l.text = m.Text
	l.mu.Unlock()
	return nil
}

// recovery brings customers to every place of the road back, so that each form there would do something if it were let through.
type recovery struct {
	card, again, confirm, choose, typing, proved, ordered, registered, leaving string // the cookies of their browsers
	account                                                                    string // of again
	message, code, release                                                     string
}

func (s *standing) recover() (r recovery) {
	s.t.Helper()
	line := &quietLine{}
	s.Core, s.Telephone = everyCard{}, line
	ctx, v, n := s.t.Context(), testkit.Visit(authority.Smartphone), 60
	begin := func() string {
		n++
		s.Person(n, false)
		c, err := s.BeginReissue(ctx, v, reissue.Token, authority.CardCheck{Branch: "101", AccountType: "普通", AccountNumber: fmt.Sprintf("%07d", 1234566+n), PIN: []byte("4649")})
		fine(s.t, err)
		return c.Session
	}
	confirmed := func() string {
		c := begin()
		fine(s.t, s.ConfirmReissue(ctx, v, c, []byte(testkit.Confirm)))
		return c
	}
	proved := func() string {
		c := confirmed()
		check, err := s.CallReissue(ctx, v, c, phone.CallKeys, "ja")
		fine(s.t, err)
		s.deliver()
		_, err = s.PhoneEvent(ctx, testkit.Carrier(), phone.Happened{ID: fmt.Sprintf("event-%d", n), Kind: phone.CallDigits, Call: line.call.ID, Digits: check.Digits, At: s.Clock.Now()})
		fine(s.t, err)
		return c
	}
	ordered := func() string {
		c := proved()
		_, err := s.OrderReissue(ctx, v, c)
		fine(s.t, err)
		s.deliver()
		return c
	}
	r = recovery{confirm: begin(), choose: confirmed(), typing: confirmed(), proved: proved(), leaving: proved(), ordered: ordered(), registered: ordered()}
	key, err := s.ReissueKey(ctx, v, r.registered, false)
	fine(s.t, err)
	p := testkit.NewPhone(s.World)
	fine(s.t, p.Register(p.Scan(key.Link, strings.ReplaceAll(latest(s.attacked, regexp.MustCompile(`(?m)\b(\d{4} \d{4})\b`)), " ", ""))))
	_, err = s.CallReissue(ctx, v, r.typing, phone.SMS, "ja")
	fine(s.t, err)
	s.deliver()
	r.message = regexp.MustCompile(`\d{3}[ -]?\d{3}`).FindString(line.text)
	r.code = p.Code()
	r.again = confirmed()
	r.account = fmt.Sprintf("%07d", 1234566+n)
	_, err = s.CallReissue(ctx, v, r.again, phone.StaffCallback, "ja")
	fine(s.t, err)
	made, err := s.MakeRelease(ctx, v, nil, "", authority.ReleaseForm{Once: "first", Items: []string{string(release.Downloads)}, Reason: string(release.LostPhone), Branch: "101", AccountType: "普通", AccountNumber: "1234567", Name: "山田 花子"})
	fine(s.t, err)
	r.release = made.Number
	return r
}

// onTheRoad is a form of the road back, from the browser that is there.
func onTheRoad(path, cookie string, pairs ...string) ask {
	a := form(path, nil, append([]string{"form", authority.FormOf(cookie)}, pairs...)...)
	a.cookies = map[string]string{"__Host-reissue": cookie}
	return a
}

// recoveryDeeds are the right requests of these forms.
func (s *standing) recoveryDeeds() map[string]ask {
	r := s.back
	withdraw := preFormed("/release-request/withdraw")
	withdraw.cookies["__Host-release"] = r.release
	s.card++
	return map[string]ask{
		"/reissue":                  preFormed("/reissue", "wish", "token", "branch", "101", "account_type", "普通", "account_number", "1234571", "pin", "4649"),
		"/reissue/card":             onTheRoad("/reissue/card", r.again, "branch", "101", "account_type", "普通", "account_number", r.account, "pin", "4649"),
		"/reissue/confirm":          onTheRoad("/reissue/confirm", r.confirm, "confirm", testkit.Confirm),
		"/reissue/phone":            onTheRoad("/reissue/phone", r.choose, "way", "sms"),
		"/reissue/phone/code":       onTheRoad("/reissue/phone/code", r.typing, "phone_code", r.message),
		"/reissue/order":            onTheRoad("/reissue/order", r.proved),
		"/reissue/key":              onTheRoad("/reissue/key", r.ordered),
		"/reissue/mail":             onTheRoad("/reissue/mail", r.ordered),
		"/reissue/start":            onTheRoad("/reissue/start", r.registered, "code", r.code),
		"/reissue/cancel":           onTheRoad("/reissue/cancel", r.leaving),
		"/release-request":          preFormed("/release-request", "once", fmt.Sprint("another ", s.card), "item", "downloads", "reason", "lost", "branch", "101", "account_type", "普通", "account_number", "1234567", "holder", "山田 花子"),
		"/release-request/withdraw": withdraw,
	}
}
