// Numbers as people read them.

export const count = (number) => number.toLocaleString("en");

export const signed = (score) => `${score < 0 ? "−" : "+"}${Math.abs(score).toFixed(2)}`;

export function percent(share) {
  // A share is only said to be all or nothing where it is.
  if (share > 0.999 && share < 1) return "> 99.9 %";
  if (share > 0 && share < 0.001) return "< 0.1 %";
  return `${(share * 100).toFixed(1)} %`;
}
