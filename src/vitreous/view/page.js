const cards = () => [...element.querySelectorAll('[data-slot]')].map(card => ({
  slot: +card.dataset.slot,
  on: card.querySelector('[type=checkbox]').checked,
  name: card.querySelector('[type=text]').value,
}));
element.addEventListener('change', () => trigger('switched', {cards: cards()}));
element.addEventListener('click', event => {
  const button = event.target.closest('.vt-find');
  if (button) trigger('wanted', {slot: +button.closest('[data-slot]').dataset.slot});
});
