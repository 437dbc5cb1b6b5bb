package console

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/policy"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/staff"
)

// mountRules lists the routes of the policy.
func (s *Server) mountRules(m *http.ServeMux) {
	m.Handle("GET /policy", s.inside(staff.PolicySee, s.showRules))
	m.Handle("GET /policy/{name}", s.inside(staff.PolicySee, s.showRule))
	m.Handle("POST /policy/{name}", s.inside(staff.PolicyAsk, s.askRule))
}

// showRules is every number of the policy, or every change of one.
func (s *Server) showRules(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	if r.URL.Query().Get("list") == "changes" {
		return s.showRuleHistory(w, r, on)
	}
	chapters, err := s.Authority.RulesAtDesk(r.Context(), on)
	if err != nil {
		return err
	}
	s.show(w, r, on, "policy", chapters)
	return nil
}

type ruleData struct {
	authority.Rule
	Typed, Words string // what was typed in a form that was refused
}

func (s *Server) ruleData(r *http.Request, on authority.StaffSession) (ruleData, error) {
	chapters, err := s.Authority.RulesAtDesk(r.Context(), on)
	for _, c := range chapters {
		for _, x := range c.Rules {
			if x.Name == r.PathValue("name") {
				return ruleData{Rule: x}, err
			}
		}
	}
	if err == nil {
		err = problem.New(problem.NotFound)
	}
	return ruleData{}, err
}

// showRule is one number, with the form by which another value is asked for.
func (s *Server) showRule(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	d, err := s.ruleData(r, on)
	if err != nil {
		return err
	}
	s.show(w, r, on, "policy-number", d)
	return nil
}

// askRule asks for another value, which a second person then checks.
func (s *Server) askRule(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	value, words := r.PostFormValue("value"), r.PostFormValue("words")
	if value == "" && r.PostFormValue("back") == "" { // an empty field means nothing; the button beside it means the configuration's value
		value = " "
	}
	o, err := s.Authority.AskOrder(r.Context(), on, "policy.set", map[string]string{"name": r.PathValue("name"), "value": value}, words)
	if p, refused := problem.Of(err); refused && p.Kind != problem.SessionOver && p.Kind != problem.NotFound && p.Kind != problem.Forbidden {
		d, err := s.ruleData(r, on)
		if err != nil {
			return err
		}
		d.Typed, d.Words = r.PostFormValue("value"), words
		s.showRefused(w, r, on, "policy-number", d, p)
		return nil
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/orders/"+o.ID+"?said=asked", http.StatusSeeOther)
	return nil
}

type ruleHistoryData struct {
	Orders []authority.Order
	Next   string
}

// Older is the address of the following page.
func (d ruleHistoryData) Older() string {
	return "/policy?" + url.Values{"list": {"changes"}, "before": {d.Next}}.Encode()
}

// showRuleHistory is every change of the policy that was ever asked for.
func (s *Server) showRuleHistory(w http.ResponseWriter, r *http.Request, on authority.StaffSession) (err error) {
	var d ruleHistoryData
	if d.Orders, d.Next, err = s.Authority.RuleHistory(r.Context(), on, r.URL.Query().Get("before")); err != nil {
		return err
	}
	s.show(w, r, on, "policy-history", d)
	return nil
}

// RuleName names a number in words, and RuleText says what it bounds.
func (v *view) RuleName(name string) string { return v.T("rule." + name) }

// RuleText is what a number bounds, in words.
func (v *view) RuleText(name string) string { return v.T("rule.text." + name) }

// Number writes a value of a number of the policy in words.
func (v *view) Number(name, value string) string {
	n, ok := policy.NumberByName(name)
	if !ok {
		return value
	}
	switch n.At(&policy.Policy{}).(type) {
	case *time.Duration:
		if d, err := time.ParseDuration(value); err == nil {
			return v.lengthOf(d)
		}
	case *bool:
		return v.T("rule.flag." + value)
	}
	return value
}

// lengthOf writes a length of time exactly, in the largest unit that does.
func (v *view) lengthOf(d time.Duration) string {
	for _, u := range []struct {
		word string
		is   time.Duration
	}{{"days", 24 * time.Hour}, {"hours", time.Hour}, {"minutes", time.Minute}, {"seconds", time.Second}} {
		if d > 0 && d%u.is == 0 && (u.word != "days" || d > 48*time.Hour) {
			return v.T("rule.length."+u.word, "n", strconv.FormatInt(int64(d/u.is), 10))
		}
	}
	if d == 0 {
		return v.T("rule.length.none")
	}
	return d.String()
}

// RuleRange says between what a number may be set.
func (v *view) RuleRange(n policy.Number) string {
	least, most := n.Range()
	if most == "" {
		return v.T("rule.flag.true") + " / " + v.T("rule.flag.false")
	}
	return v.T("rule.range", "least", v.Number(n.Name, least), "most", v.Number(n.Name, most))
}

// IsFlag says whether a number is a switch, and IsLength whether it is a length of time.
func (v *view) IsFlag(n policy.Number) bool {
	_, is := n.At(&policy.Policy{}).(*bool)
	return is
}

// IsLength says whether a number is a length of time.
func (v *view) IsLength(n policy.Number) bool {
	_, is := n.At(&policy.Policy{}).(*time.Duration)
	return is
}
