package authority

import (
	"context"
	"errors"
	"slices"
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

// reminderCalendar is where it is kept how far they have come; remindTogether is how many customers are reminded in one write.
const (
	reminderCalendar = "reminders"
	remindTogether   = 100
)

// remind tells customers whose tokens come near their date. Each is told once for each threshold: the row of the reminder decides. When several have passed since the calendar was last looked
// through, because the server stood still, the nearest alone is said. A token that was not in use when a threshold passed hears of the next one.
func (a *Authority) remind(ctx context.Context, now time.Time) error {
	last, err := a.Store.Reader().CalendarAt(ctx, reminderCalendar)
	if err != nil && !errors.Is(err, store.ErrNone) {
		return err
	}
	nearer := now
	for _, days := range reminders {
		span := time.Duration(days) * 24 * time.Hour
		from := max(store.Micros(nearer), last+span.Microseconds())
		for {
			rows, err := a.Store.Reader().TokensToRemind(ctx, db.TokensToRemindParams{ExpiresAt: from, ExpiresAt_2: store.Micros(now.Add(span)), Days: int64(days)})
			if err != nil {
				return err
			}
			if len(rows) == 0 {
				break
			}
			for batch := range slices.Chunk(rows, remindTogether) {
				if err := a.remindTogether(ctx, batch, days); err != nil {
					return err
				}
			}
		}
		nearer = now.Add(span)
	}
	return a.Store.Housekeep(ctx, func(ctx context.Context, tx *store.Tx) error {
		return tx.TurnCalendar(ctx, db.TurnCalendarParams{Name: reminderCalendar, At: store.Micros(now)})
	})
}

// remindTogether reminds some customers in one write.
func (a *Authority) remindTogether(ctx context.Context, rows []db.Token, days int) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	by := make([]audit.Actor, len(rows))
	for i := range by {
		by[i] = audit.Actor{Kind: audit.Clock}
	}
	_, err := a.doAll(ctx, by, audit.TokenRemind, func(ctx context.Context, deeds []*deed) error {
		for i, d := range deeds {
			if err := d.remind(ctx, rows[i], days); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

// remind tells one customer.
func (d *deed) remind(ctx context.Context, row db.Token, days int) error {
	d.on(row.Customer, row.ID)
	d.detail = map[string]string{"days": strconv.Itoa(days)}
	fresh, err := store.Once(d.InsertReminder(ctx, db.InsertReminderParams{Token: row.ID, Generation: row.Generation, Days: int64(days), At: store.Micros(d.now)}))
	if err != nil {
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
	return d.tellDate(ctx, row, "token_expired", map[string]string{"until": store.Time(row.ExpiresAt).Add(d.a.Rules().RenewalGrace).Format(time.RFC3339)})
}
