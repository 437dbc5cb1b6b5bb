package bank

import (
	"net/http"
	"net/url"
	"time"
)

func (b *bank) front(w http.ResponseWriter, r *http.Request) {
	if _, ok := b.sessions.current(r); ok {
		http.Redirect(w, r, "/home", http.StatusSeeOther)
		return
	}
	b.pages.render(w, r, http.StatusOK, "front", frontView{b.sessions.forget(w, r), b.applications()})
}

// applications is where customers go who cannot log in: a new phone, a lost one, a service that was stopped.
func (b *bank) applications() string {
	to, err := url.Parse(b.cfg.SecurityCentre)
	if err != nil {
		return ""
	}
	to.Path = "/applications"
	return to.String()
}

func (b *bank) startLogin(w http.ResponseWriter, r *http.Request) {
	to, err := b.login.begin(w, r, b.pages.tag(r))
	if err != nil {
		b.cfg.Log.Warn("bank: login could not start", "err", err)
		b.sorry(w, r, "issuer_unreachable")
		return
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// finishLogin receives the customer back from the issuer. What the address carries is believed only after the state was
// found in this browser's own attempts, so nobody can log somebody else in here.
func (b *bank) finishLogin(w http.ResponseWriter, r *http.Request) {
	who, kind, err := b.login.finish(w, r)
	if err != nil {
		b.cfg.Log.Warn("bank: login did not succeed", "kind", kind, "err", err)
		b.sorry(w, r, kind)
		return
	}
	who.Last = b.visits.note(who.Subject, who.VerifiedAt)
	b.sessions.start(w, r, who)
	http.Redirect(w, r, "/home", http.StatusSeeOther)
}

func (b *bank) home(w http.ResponseWriter, r *http.Request) {
	who, ok := b.sessions.current(r)
	if !ok {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	leave(w)
	b.settle(who.Subject)
	var open []openOrder
	for _, what := range []kind{transferKind, payeeKind, limitKind} {
		if path := b.open(who.Subject, what); path != "" {
			open = append(open, openOrder{what, path})
		}
	}
	lang := b.pages.tag(r)
	b.pages.render(w, r, http.StatusOK, "home", homeView{
		Name: b.nameOf(who, lang), How: describe(who.AMR), At: who.VerifiedAt, Last: who.Last, Today: b.cfg.Now(),
		Accounts: b.accounts(who.Subject), SecurityCentre: b.cfg.SecurityCentre, ACR: who.ACR, Transfers: b.api != nil, Open: open,
		Limit: money(lang, b.ledger.limitOf(who.Subject)),
	})
}

// logout ends the bank's session first and then asks the issuer to end its own; if the issuer cannot be reached, the bank's side is over all the same.
func (b *bank) logout(w http.ResponseWriter, r *http.Request) {
	who, ok := b.sessions.end(w, r)
	if !ok {
		http.Redirect(w, r, LoggedOutPath, http.StatusSeeOther)
		return
	}
	to, err := b.login.endSession(r, who.IDToken)
	if err != nil {
		b.cfg.Log.Warn("bank: the login host could not be told of the logout", "err", err)
		to = LoggedOutPath + "?alone=1"
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// loginEnded is called by the issuer when a login has ended there: the bank's sessions that came of it end as well.
func (b *bank) loginEnded(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	login, err := b.login.ended(r.Context(), r.PostFormValue("logout_token"))
	if err != nil {
		b.cfg.Log.Warn("bank: a logout token was refused", "err", err)
		http.Error(w, "the logout token is refused", http.StatusBadRequest)
		return
	}
	b.sessions.endLogin(login)
}

func (b *bank) goodbye(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("alone") != "" {
		b.sorry(w, r, "logged_out_alone")
		return
	}
	b.pages.render(w, r, http.StatusOK, "goodbye", nil)
}

// language keeps the choice in a cookie and returns to the page where it was made.
func (b *bank) language(w http.ResponseWriter, r *http.Request) {
	tag := r.PostFormValue("to")
	if _, known := b.pages.texts[tag]; !known {
		tag = "ja"
	}
	http.SetCookie(w, &http.Cookie{Name: languageCookie, Value: tag, Path: "/", Secure: true, HttpOnly: true,
		SameSite: http.SameSiteLaxMode, MaxAge: int((365 * 24 * time.Hour).Seconds())})
	back := r.PostFormValue("back")
	if u, err := url.Parse(back); err != nil || u.IsAbs() || u.Host != "" || (u.Path != "/home" && u.Path != LoggedOutPath && !returns(u)) {
		back = "/"
	}
	http.Redirect(w, r, back, http.StatusSeeOther)
}

func (b *bank) notFound(w http.ResponseWriter, r *http.Request) {
	b.sorry(w, r, "not_found")
}

// statusOf says which HTTP status goes with a kind of failure; all others are the customer's to retry.
var statusOf = map[string]int{
	"issuer_unreachable": http.StatusServiceUnavailable, "temporarily_unavailable": http.StatusServiceUnavailable,
	"server_error": http.StatusBadGateway, "answer_invalid": http.StatusBadGateway,
	"not_found": http.StatusNotFound, "evidence_away": http.StatusServiceUnavailable, "logged_out_alone": http.StatusOK,
}

// sorry explains in plain words what happened, that nothing was lost, and what to do; the kinds are the keys of the texts.
func (b *bank) sorry(w http.ResponseWriter, r *http.Request, kind string) {
	status, ok := statusOf[kind]
	if !ok {
		status = http.StatusForbidden
	}
	_, in := b.sessions.current(r)
	b.pages.render(w, r, status, "sorry", sorryView{Kind: kind, LoggedIn: in})
}

// nameOf prefers the bank's own register to what the ID token says.
func (b *bank) nameOf(who customer, tag string) string {
	p, known := b.cfg.Customers[who.Subject]
	switch {
	case known && tag == "en" && p.NameEn != "":
		return p.NameEn
	case known:
		return p.Name
	default:
		return who.Name
	}
}
