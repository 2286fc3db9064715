//! A program that asks `gaebar serve` for backups and restores, a request a step.

use serde_json::Value;

use crate::http::{Answer, post};
use crate::serve::{Serving, TOKEN};

/// A program that has the token.
#[derive(Debug)]
pub struct Program<'a>(pub &'a Serving);

impl Program<'_> {
    /// Sends a form; the answer, whatever it is.
    pub fn send(&self, method: &'static str, path: &str, form: &str) -> Answer {
        let request = post(self.0.address, path, form).method(method).with("Authorization", &format!("Bearer {TOKEN}"));
        request.without("Accept").send()
    }

    /// The same, which must succeed; the answer's JSON.
    pub fn ok(&self, method: &'static str, path: &str, form: &str) -> Value {
        let answer = self.send(method, path, form);
        assert!([200, 201].contains(&answer.status), "{path}: {answer:?}");
        assert_eq!(answer.header("content-type"), "application/json");
        serde_json::from_str(&answer.body).unwrap()
    }

    /// Begins a job.
    pub fn begin(&self, form: &str) -> Value {
        self.ok("POST", "/api/jobs", form)
    }

    /// Takes a step.
    pub fn step(&self, id: u64, form: &str) -> Value {
        self.ok("POST", &format!("/api/jobs/{id}/step"), form)
    }

    /// Steps until a stage, and returns each step's answer.
    pub fn steps(&self, id: u64, until: &str) -> Vec<Value> {
        let mut steps = Vec::new();
        loop {
            let job = self.step(id, "");
            assert_eq!(job["problem"], Value::Null, "{job}");
            let is_there = job["stage"] == until;
            steps.push(job);
            assert!(steps.len() < 200, "{steps:?}");
            if is_there {
                return steps;
            }
        }
    }
}

/// The number of a job.
pub fn id(job: &Value) -> u64 {
    job["id"].as_u64().unwrap()
}
