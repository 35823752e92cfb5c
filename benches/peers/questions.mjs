// What both servers are asked, and the right answers, known without asking either.
//
// Each model may be viewed by one team. Each person is in half of the teams, counted from their own number.

const TEAMS = 10;

export const ACTION = 'viewModel';
export const teams = Array.from({ length: TEAMS }, (_, number) => `team-${number}`);
export const people = teams.map((_, number) => ({
  name: `person-${number}`,
  teams: teams.map((_, step) => teams[(number + step) % TEAMS]).slice(0, TEAMS / 2),
}));

// One policy each.
export function rulesFor(policies) {
  return Array.from({ length: policies }, (_, number) => ({ model: `model-${number}`, team: teams[number % TEAMS] }));
}

// Of each model, someone who may and someone who may not.
export function questionsFor(policies) {
  return rulesFor(policies).flatMap(({ model }, number) => [
    { model, person: people[number % TEAMS], answer: 'allow' },
    { model, person: people[(number + TEAMS / 2) % TEAMS], answer: 'deny' },
  ]);
}
