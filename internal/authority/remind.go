package authority

import (
	"context"
	"strconv"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// reminders are the days before a token's date on which its customer is told of it, the nearest first (M-14). A day is 24 hours: the server counts microseconds since 1970, in which no day is shorter
// or longer, whatever clocks on walls and leap seconds do.
var reminders = []int{1, 7, 30, 90, 180}

// remindTogether is how many customers are reminded in one write.
const remindTogether = 50

// due is the reminder whose time has come last, or 0 where none has; next is when the calendar has to look again.
func due(expires, now time.Time) (days int, next time.Time) {
	next = expires // then the token's end tells her
	for _, n := range reminders {
		at := expires.Add(-time.Duration(n) * 24 * time.Hour)
		if !now.Before(at) {
			return n, next
		}
		next = at
	}
	return 0, next
}

// remind tells customers whose tokens come near their date. Each is told once for each threshold: the row of the reminder decides. When several have passed since the calendar was last looked at,
// because the server stood still or the token was suspended, the nearest alone is said. A token that the calendar sees for the first time, or whose keys were renewed, is only put into it.
func (a *Authority) remind(ctx context.Context, now time.Time) error {
	rows, err := a.Store.Reader().TokensToRemind(ctx, store.Micros(now))
	if err != nil {
		return err
	}
	var tell, place []db.Token
	for _, row := range rows {
		if days, _ := due(store.Time(row.ExpiresAt), now); days > 0 && now.Before(store.Time(row.ExpiresAt)) {
			tell = append(tell, row)
		} else {
			place = append(place, row)
		}
	}
	if len(place) > 0 {
		err := a.Store.Housekeep(ctx, func(ctx context.Context, tx *store.Tx) error {
			for _, row := range place {
				_, next := due(store.Time(row.ExpiresAt), now)
				if err := tx.SetRemindAt(ctx, db.SetRemindAtParams{ID: row.ID, RemindAt: max(store.Micros(next), store.Micros(now)+1), Generation: row.Generation}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for len(tell) > 0 {
		n := min(len(tell), remindTogether)
		batch := tell[:n]
		tell = tell[n:]
		by := make([]audit.Actor, n)
		for i := range by {
			by[i] = audit.Actor{Kind: audit.Clock}
		}
		writeCtx, cancel := context.WithTimeout(ctx, writeTimeout)
		_, err := a.doAll(writeCtx, by, audit.TokenRemind, func(ctx context.Context, deeds []*deed) error {
			for i, d := range deeds {
				if err := d.remind(ctx, batch[i]); err != nil {
					return err
				}
			}
			return nil
		})
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

// remind tells one customer of the nearest threshold.
func (d *deed) remind(ctx context.Context, row db.Token) error {
	d.on(row.Customer, row.ID)
	expires := store.Time(row.ExpiresAt)
	days, next := due(expires, d.now)
	d.detail = map[string]string{"days": strconv.Itoa(days)}
	fresh, err := store.Once(d.InsertReminder(ctx, db.InsertReminderParams{Token: row.ID, Generation: row.Generation, Days: int64(days), At: store.Micros(d.now)}))
	if err != nil {
		return err
	}
	if err := d.SetRemindAt(ctx, db.SetRemindAtParams{ID: row.ID, RemindAt: store.Micros(next), Generation: row.Generation}); err != nil {
		return err
	}
	if !fresh { // another node has told her
		return d.refuse(errRepeated)
	}
	return d.tellDate(ctx, row, "token_reminder", nil)
}

// tellDate tells the customer about the date of her token. It gives the date and no number of days: nobody knows when a mail is read.
func (d *deed) tellDate(ctx context.Context, row db.Token, topic string, values map[string]string) error {
	all := map[string]string{"expires_on": store.Time(row.ExpiresAt).Format(time.RFC3339), "app": d.a.Bank.TokenOrigin, "phone": row.Platform}
	for k, v := range values {
		all[k] = v
	}
	return d.tellAll(ctx, row.Customer, topic, all)
}

// expire writes down that a token's date has passed, and tells its customer how to go on. One that was renewed since it was read has another date.
func (d *deed) expire(ctx context.Context, row db.Token) error {
	d.on(row.Customer, row.ID)
	if _, ok := token.Life.Next(token.State(row.State), token.Expire); !ok {
		return store.ErrConflict
	}
	if err := store.Must(d.ExpireToken(ctx, db.ExpireTokenParams{ID: row.ID, ExpiresAt: store.Micros(d.now)})); err != nil {
		return err
	}
	fresh, err := store.Once(d.InsertReminder(ctx, db.InsertReminderParams{Token: row.ID, Generation: row.Generation, At: store.Micros(d.now)}))
	if err != nil || !fresh {
		return err
	}
	return d.tellDate(ctx, row, "token_expired", map[string]string{"until": store.Time(row.ExpiresAt).Add(d.a.Policy.RenewalGrace).Format(time.RFC3339)})
}
