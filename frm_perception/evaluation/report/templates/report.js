'use strict';

// Reading a frame from the time lines, by pointer or keyboard. All else works without this script.
for (const panel of document.querySelectorAll('.panel')) {
  const {x, rows} = JSON.parse(panel.querySelector('.readings').textContent);
  const picture = panel.querySelector('svg');
  const cursor = picture.querySelector('.cursor');
  const readout = panel.querySelector('.readout');
  const cells = readout.querySelectorAll('dd');
  const names = [...readout.querySelectorAll('dt')].map((name) => name.textContent);
  let shown = -1;

  const show = (column) => {
    shown = Math.min(Math.max(column, 0), x.length - 1);
    rows[shown].forEach((text, index) => { cells[index].textContent = text; });
    cursor.setAttribute('x1', x[shown]);
    cursor.setAttribute('x2', x[shown]);
    cursor.classList.add('shown');
    picture.setAttribute('aria-valuenow', shown);
    picture.setAttribute('aria-valuetext',
      rows[shown].map((text, index) => `${names[index]} ${text}`).join(', '));
  };

  const nearest = (place) => {
    let low = 0;
    let high = x.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (x[middle] < place) low = middle + 1; else high = middle;
    }
    return low > 0 && place - x[low - 1] < x[low] - place ? low - 1 : low;
  };

  picture.addEventListener('pointermove', (event) => {
    const box = picture.getBoundingClientRect();
    show(nearest((event.clientX - box.left) / box.width * picture.viewBox.baseVal.width));
  });
  picture.addEventListener('keydown', (event) => {
    const steps = {
      ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -20, PageUp: 20,
      Home: -x.length, End: x.length};
    if (!(event.key in steps)) return;
    event.preventDefault();
    show(shown < 0 ? 0 : shown + steps[event.key]);
  });

  picture.setAttribute('tabindex', '0');
  picture.setAttribute('role', 'slider');
  picture.setAttribute('aria-valuemin', '0');
  picture.setAttribute('aria-valuemax', x.length - 1);
  picture.setAttribute('aria-valuenow', '0');
  readout.hidden = false;
  show(0);
}

for (const hint of document.querySelectorAll('.hint')) hint.hidden = false;
