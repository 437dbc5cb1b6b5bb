package authority

// FillHasher takes all places in the queues of those who hash passwords.
func (a *Authority) FillHasher() {
	for _, queue := range []chan struct{}{a.hash.queue, a.hash.inside} {
		for range cap(queue) {
			queue <- struct{}{}
		}
	}
}

// EmptyHasher gives them back.
func (a *Authority) EmptyHasher() {
	for _, queue := range []chan struct{}{a.hash.queue, a.hash.inside} {
		for range cap(queue) {
			<-queue
		}
	}
}
