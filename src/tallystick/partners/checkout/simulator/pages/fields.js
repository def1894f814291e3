// What is in the card fields: reading, checking and grouping. No element and no request is touched.

export const digitsOf = (text) => text.replace(/\D/g, "");

export const schemeOf = (number) => {
  if (number.startsWith("4")) return "visa";
  if (/^(5[1-5]|2[2-7])/.test(number)) return "mastercard";
  if (/^3[47]/.test(number)) return "american_express";
  return null;
};

export const grouped = (number) => digitsOf(number).slice(0, 19).replace(/(\d{4})(?=\d)/g, "$1 ");

export const groupedExpiry = (text) => {
  const digits = digitsOf(text).slice(0, 6);
  return digits.length > 2 ? `${digits.slice(0, 2)}/${digits.slice(2)}` : digits;
};

const isLuhnValid = (number) => {
  const total = [...number].reverse().reduce((sum, each, place) => {
    const digit = Number(each) * (place % 2 ? 2 : 1);
    return sum + (digit > 9 ? digit - 9 : digit);
  }, 0);
  return total % 10 === 0;
};

export const readExpiry = (text) => {
  const found = /^(\d{2})\/?(?:20)?(\d{2})$/.exec(text.trim());
  if (!found) return null;
  const month = Number(found[1]);
  return month >= 1 && month <= 12 ? { month, year: 2000 + Number(found[2]) } : null;
};

// The problem with each field, by the field's name; an empty object when all is well.
export const problemsWith = ({ number, expiry, code }, now = new Date()) => {
  const problems = {};
  const read = readExpiry(expiry);
  if (!number) problems.number = "Enter the card number.";
  else if (number.length < 13 || !isLuhnValid(number)) problems.number = "This is no card number.";
  if (!expiry) problems.expiry = "Enter the expiry date.";
  else if (!read) problems.expiry = "Enter month and year, such as 12/30.";
  else if (new Date(read.year, read.month, 1) <= now) problems.expiry = "The card has expired.";
  if (code !== null && !/^\d{3,4}$/.test(code)) problems.code = "Enter the 3 digits on the back.";
  return problems;
};
