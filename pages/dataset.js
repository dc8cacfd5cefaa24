"use strict";
// The page of a dataset: search, phase and order of its cards.
document.documentElement.classList.add('js');
addEventListener('DOMContentLoaded', () => {
  const form = document.forms[0], box = document.querySelector('.cards');
  const cards = [...box.children], count = document.getElementById('count');
  const number = key => card => -Number(card.dataset[key]);
  const orders = {
    name: card => card.dataset.name, instances: number('instances'), area: number('area'),
    largest: number('largest'), smallest: card => Number(card.dataset.smallest),
    problems: number('problems'),
  };
  const show = () => {
    const key = orders[form.order.value], words = form.find.value.toLowerCase();
    const phase = form.phase.value;
    const chosen = cards.filter(card => (!phase || card.dataset.phase === phase)
      && card.dataset.name.toLowerCase().includes(words));
    chosen.sort((a, b) => key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0);
    box.replaceChildren(...chosen);
    count.textContent = `${chosen.length} of ${cards.length}`;
  };
  form.addEventListener('input', show);
  form.addEventListener('submit', event => event.preventDefault());
  show();
});
